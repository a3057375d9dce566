-- A refusal that no branch foresaw, such as a consent that is "revoked", once let the
-- person pass: who may be delivered is decided apart from who may be mailed.
with

delivered as (
    select profile_id from {{ ref('sync_profiles') }}
    union distinct
    select profile_id from {{ ref('sync_segment_members') }}
),

final as (
    select delivered.profile_id
    from delivered
    left join {{ ref('dim_profiles') }} as profiles
        on delivered.profile_id = profiles.profile_id
    where not coalesce(profiles.may_be_mailed, false)
)

select * from final
