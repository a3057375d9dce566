with

source as (
    select * from {{ source('raw', 'web_events') }}
),

final as (
    select
        nullif(event_id, '') as event_id,
        event_type,
        nullif(anonymous_id, '') as anonymous_id,
        email as written_email,
        nullif(session_id, '') as session_id,
        nullif(url, '') as url,
        nullif(referrer, '') as referrer,
        nullif(utm_source, '') as utm_source,
        nullif(utm_medium, '') as utm_medium,
        nullif(utm_campaign, '') as utm_campaign,
        nullif(product_id, '') as product_id,
        nullif(category, '') as category,
        nullif(device_type, '') as device_type,
        nullif(country, '') as country,
        nullif(region, '') as region,
        nullif(city, '') as city,
        properties,
        quantity,
        unit_price,
        occurred_at,
        _loaded_at as loaded_at
    from source
)

select * from final
