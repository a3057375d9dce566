with

source as (
    select * from {{ source('raw', 'web_events') }}
),

normalised as (
    select
        *,
        {{ normalise_email('email') }} as normalised_email
    from source
),

final as (
    select
        event_id,
        event_type,
        anonymous_id,
        -- With an address that is not valid the visitor stays an anonymous one.
        case
            when {{ is_valid_email('normalised_email') }} then normalised_email
        end as email,
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
        _loaded_at as loaded_at
    from normalised
)

select * from final
