with

members as (
    select * from {{ ref('fct_segment_members') }}
),

profiles as (
    select * from {{ ref('sync_profiles') }}
),

resolved as (
    select * from {{ ref('int_profiles__resolved') }}
),

permitted as (
    select * from {{ ref('int_profiles__permitted') }}
),

final as (
    select
        members.segment,
        members.profile_id,
        profiles.email,
        members.attribute
    from members
    inner join profiles on members.profile_id = profiles.profile_id
    inner join resolved on members.profile_id = resolved.profile_id
    inner join permitted on resolved.profile_key = permitted.profile_key
    where
        permitted.scores_may_be_delivered
        or members.segment not in ({{ segments_with_scores() }})
)

select * from final
