with

events as (
    select * from {{ ref('int_email_events__deduplicated') }}
    where event_type in ('sent', 'delivered') and message_id is not null
),

ranked as (
    select
        *,
        row_number() over (
            partition by profile_key, message_id
            order by
                -- Where nobody reported the sending, the delivery stands for it.
                case event_type when 'sent' then 0 else 1 end,
                occurred_at,
                campaign_id
        ) as send_rank
    from events
),

final as (
    select
        profile_id,
        profile_key,
        message_id,
        campaign_id,
        occurred_at as sent_at
    from ranked
    where send_rank = 1
)

select * from final
