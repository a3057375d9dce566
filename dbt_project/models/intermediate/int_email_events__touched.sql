{#-
    All events of the messages that are computed anew, read once for those who ask: none
    where all are.
-#}
with

messages as (
    select * from {{ ref('int_messages__touched') }}
),

events as (
    select * from {{ ref('int_email_events__deduplicated') }}
),

final as (
    select
        profile_key,
        event_type,
        message_id,
        campaign_id,
        url,
        user_agent,
        bounce_type,
        is_flagged,
        occurred_at,
        content_hash,
        id_hash,
        message_hash
    from events
    where message_hash in (select messages.message_hash from messages)
)

select * from final
