-- A member who is no profile at the destination is somebody who may not be mailed.
with

final as (
    select
        members.profile_id,
        members.segment
    from {{ ref('sync_segment_members') }} as members
    left join {{ ref('sync_profiles') }} as profiles
        on
            members.profile_id = profiles.profile_id
            and members.email = profiles.email
    where profiles.profile_id is null
)

select * from final
