{{ config(materialized='view') }}
with

events as (
    select * from {{ ref('stg_web__events') }}
    where
        occurred_at <= {{ as_of() }}
        and (anonymous_id is not null or email is not null)
),

final as (
    select
        event_id,
        event_type,
        anonymous_id,
        email,
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
        loaded_at,
        {{ row_hash([
            'anonymous_id', 'event_type', 'occurred_at', 'url', 'product_id',
            'case when anonymous_id is null then email end',
        ]) }} as content_hash,
        case
            when event_id is not null
                then {{ row_hash(['anonymous_id', 'event_id']) }}
        end as id_hash
    from events
)

select * from final
