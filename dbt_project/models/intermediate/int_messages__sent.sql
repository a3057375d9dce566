{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'message_hash': 'int_messages__touched'}}
    )
}}
{%- set touched = ref('int_email_events__touched') -%}
{%- set all = ref('int_email_events__deduplicated') %}
with

events as (
    select * from {{ anew_or_all(touched, all) }}
    where event_type in ('sent', 'delivered') and message_id is not null
),

reported as (
    select
        profile_key,
        message_id,
        message_hash,
        min(case when event_type = 'sent' then occurred_at end) as sent_at,
        min(case when event_type = 'delivered' then occurred_at end) as delivered_at
    from events
    group by profile_key, message_id, message_hash
),

final as (
    select
        profile_key,
        message_id,
        message_hash,
        -- Where nobody reported the sending, the delivery stands for it.
        coalesce(sent_at, delivered_at) as sent_at,
        delivered_at,
        -- A send may be told of later than the delivery: what is known first counts.
        case
            when sent_at is null or delivered_at < sent_at then delivered_at
            else sent_at
        end as received_at
    from reported
)

select * from final
