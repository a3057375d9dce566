with

events as (
    select * from {{ ref('int_email_events__deduplicated') }}
    where event_type in ('sent', 'delivered') and message_id is not null
),

final as (
    select
        profile_key,
        message_id,
        -- Where nobody reported the sending, the delivery stands for it.
        coalesce(
            min(case when event_type = 'sent' then occurred_at end), min(occurred_at)
        ) as sent_at,
        min(case when event_type = 'delivered' then occurred_at end) as delivered_at,
        -- A send may be told of later than the delivery: what is known first counts.
        min(occurred_at) as received_at
    from events
    group by profile_key, message_id
)

select * from final
