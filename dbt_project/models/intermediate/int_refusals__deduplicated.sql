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
    where {{ is_refusal() }}
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
