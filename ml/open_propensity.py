"""Open propensity: would a profile open a mail sent to it now?

One example per message sent; *opened* is a human open of that message within 72 h. Trained on
`marts.ftr_open_propensity`, whose features are what had happened strictly before the send. Scored
on `marts.ftr_open_propensity_now`: a message that does not exist yet, so that what is known of a
campaign (`leave_out` in params.yaml) has no part in the model.
"""

from __future__ import annotations

from ml.target import Target

OPEN_PROPENSITY = Target(
    name="open",
    meaning="a person opens a message within 72 hours of its send",
    section="open_propensity",
    examples_query="select * from marts.ftr_open_propensity where is_opened is not null",
    rows_query="""
        select features.*
        from marts.ftr_open_propensity_now as features
        inner join marts.dim_profiles as profiles on features.profile_id = profiles.profile_id
        where profiles.may_be_profiled and features.scored_at = $as_of
    """,
)
