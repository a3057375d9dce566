{{ config(materialized='view') }}
with

events as (
    select * from {{ ref('int_web_events__resolved') }}
),

final as (
    select
        web_event_id,
        profile_id,
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
        is_stitched,
        quantity,
        unit_price,
        occurred_at
    from events
)

select * from final
