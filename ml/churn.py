"""Churn: will a profile that is active go quiet?

At a cutoff c a profile with a human open, click or order in the 60 days before is active. It has
churned if it has none of these in the 30 days after. Only active profiles are in
`marts.ftr_churn`; `probability` is that of having churned.
"""

from __future__ import annotations

from ml.target import Target

CHURN = Target(
    name="churn",
    meaning="an active profile has no human open, click or order in the 30 days after the cutoff",
    section="churn",
    examples_query="select * from marts.ftr_churn where is_churned is not null",
    rows_query="""
        select features.*
        from marts.ftr_churn as features
        inner join marts.dim_profiles as profiles on features.profile_id = profiles.profile_id
        where profiles.may_be_profiled and features.cutoff_at = $as_of
    """,
)
