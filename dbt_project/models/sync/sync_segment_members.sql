with

members as (
    select * from {{ ref('fct_segment_members') }}
),

profiles as (
    select * from {{ ref('sync_profiles') }}
),

final as (
    select
        members.segment,
        members.profile_id,
        profiles.email,
        members.attribute
    from members
    inner join profiles on members.profile_id = profiles.profile_id
)

select * from final
