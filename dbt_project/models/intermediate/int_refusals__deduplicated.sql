{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'message_hash': 'int_messages__touched'}}
    )
}}
with

events as (
    select * from {{ ref('int_email_events__deduplicated') }}
    where
        {{ is_refusal() }}
        and {{ is_touched('message_hash', ref('int_messages__touched')) }}
),

final as (
    select
        profile_key,
        event_type,
        message_hash,
        occurred_at
    from events
)

select * from final
