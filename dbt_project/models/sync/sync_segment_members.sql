with

members as (
    select * from {{ ref('fct_segment_members') }}
),

final as (
    select
        members.segment,
        members.profile_id,
        profiles.email,
        members.attribute
    from members
    inner join {{ ref('sync_profiles') }} as profiles on members.profile_id = profiles.profile_id
)

select * from final
