-- Somebody who takes back the consent to profiling keeps a score that was made before,
-- and a place in the segments that ask for it, unless each reader asks again.
with

refusing as (
    select profile_id from {{ ref('dim_profiles') }}
    where not may_be_profiled
),

final as (
    select
        scores.profile_id,
        'has a score' as found
    from {{ ref('profile_scores') }} as scores
    inner join refusing on scores.profile_id = refusing.profile_id
    where
        scores.churn_probability is not null
        or scores.open_probability is not null
        or scores.churn_reasons is not null
    union all
    select
        members.profile_id,
        'is in ' || members.segment as found
    from {{ ref('profile_segments') }} as members
    inner join refusing on members.profile_id = refusing.profile_id
    where members.segment in ({{ segments_with_scores() }})
)

select * from final
