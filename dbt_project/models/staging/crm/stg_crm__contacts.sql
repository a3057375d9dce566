with

source as (
    select * from {{ source('raw', 'contacts') }}
),

final as (
    select
        contact_id,
        nullif(source_system, '') as source_system,
        case when email <> '' then {{ normalise_email('email') }} end as email,
        nullif(phone, '') as phone,
        nullif(first_name, '') as first_name,
        nullif(last_name, '') as last_name,
        birth_date,
        nullif(country, '') as country,
        nullif(region, '') as region,
        nullif(city, '') as city,
        nullif(postal_code, '') as postal_code,
        nullif(timezone, '') as timezone,
        is_deleted,
        created_at,
        updated_at,
        _loaded_at as loaded_at
    from source
)

select * from final
