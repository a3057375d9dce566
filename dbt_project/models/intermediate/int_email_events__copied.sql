{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'content_hash': 'int_email_events__contested'}}
    )
}}
with

repeated as (
    select * from {{ ref('int_email_events__repeated') }}
),

events as (
    {{ contested_rows(ref('stg_email__events'), ref('int_email_events__contested')) }}
),

hashed as (
    {{ hashed_email_events('events') }}
),

possible_copies as (
    {{ possible_copies('hashed', 'repeated', ref('int_email_events__contested')) }}
),

final as (
    select
        profile_key,
        event_id,
        event_type,
        message_id,
        campaign_id,
        url,
        user_agent,
        ip,
        is_machine,
        bounce_type,
        provider,
        occurred_at,
        content_hash,
        id_hash
    from possible_copies
)

select * from final
