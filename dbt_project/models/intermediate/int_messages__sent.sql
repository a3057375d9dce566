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
        ) as send_rank,
        -- A send may be told of later than the delivery: what is known first counts.
        first_value(campaign_id) over told_first as first_campaign_id,
        first_value(occurred_at) over told_first as received_at
    from events
    window told_first as (
        partition by profile_key, message_id
        order by
            occurred_at,
            case event_type when 'sent' then 0 else 1 end,
            campaign_id
    )
),

final as (
    select
        profile_id,
        profile_key,
        message_id,
        first_campaign_id as campaign_id,
        received_at,
        occurred_at as sent_at
    from ranked
    where send_rank = 1
)

select * from final
