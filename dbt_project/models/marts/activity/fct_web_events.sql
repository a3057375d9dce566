{{ config(materialized='view') }}
with

events as (
    select * from {{ ref('int_web_events__resolved') }}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

final as (
    select
        {{ content_id(
            plain=[
                'profiles.profile_id',
                epoch_microseconds('events.occurred_at'),
                'events.is_stitched',
            ],
            texts=[
                'events.event_type',
                'events.anonymous_id',
                'events.url',
                'events.product_id',
            ],
        ) }} as web_event_id,
        profiles.profile_id,
        events.event_type,
        events.anonymous_id,
        events.session_id,
        events.url,
        events.referrer,
        events.utm_source,
        events.utm_medium,
        events.utm_campaign,
        events.product_id,
        events.category,
        events.device_type,
        events.country,
        events.region,
        events.city,
        events.is_stitched,
        events.quantity,
        events.unit_price,
        events.occurred_at
    from events
    inner join profiles on events.profile_key = profiles.profile_key
)

select * from final
