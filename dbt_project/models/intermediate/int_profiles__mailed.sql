with

events as (
    select * from {{ ref('int_email_events__deduplicated') }}
    where event_type in ('sent', 'delivered')
),

final as (
    select
        profile_key,
        max(occurred_at) as last_mailed_at
    from events
    group by profile_key
)

select * from final
