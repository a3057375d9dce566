with

permitted as (
    select * from {{ ref('int_profiles__permitted') }}
    where not may_be_delivered
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

final as (
    select
        profiles.profile_id,
        profiles.email,
        permitted.delivery_refusal_reason as reason
    from permitted
    inner join profiles on permitted.profile_key = profiles.profile_key
)

select * from final
