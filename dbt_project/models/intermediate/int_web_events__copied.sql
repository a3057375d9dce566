{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'content_hash': 'int_web_events__contested'}}
    )
}}
with

repeated as (
    select * from {{ ref('int_web_events__repeated') }}
),

events as (
    {{ contested_rows(ref('stg_web__events'), ref('int_web_events__contested')) }}
),

hashed as (
    {{ hashed_web_events('events') }}
),

possible_copies as (
    {{ possible_copies('hashed', 'repeated', ref('int_web_events__contested')) }}
),

final as (
    select
        profile_key,
        own_profile_key,
        has_own_address,
        known_from,
        event_id,
        event_type,
        anonymous_id,
        session_id,
        url,
        referrer,
        utm_source,
        utm_medium,
        utm_campaign,
        product_id,
        category,
        device_type,
        country,
        region,
        city,
        properties,
        quantity,
        unit_price,
        occurred_at,
        content_hash,
        id_hash
    from possible_copies
)

select * from final
