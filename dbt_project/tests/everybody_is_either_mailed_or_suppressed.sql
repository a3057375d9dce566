-- Who is in neither is forgotten by every destination without a word; who is in both is
-- mailed by one call and suppressed by the next.
with

told as (
    select profile_id from {{ ref('sync_profiles') }}
    union all
    select profile_id from {{ ref('sync_suppressions') }}
),

final as (
    select
        profiles.profile_id,
        count(told.profile_id) as times_told
    from {{ ref('dim_profiles') }} as profiles
    left join told on profiles.profile_id = told.profile_id
    group by profiles.profile_id
    having count(told.profile_id) <> 1
)

select * from final
