with

source as (
    select * from {{ source('raw', 'contacts') }}
),

final as (
    select
        contact_id,
        source_system,
        {{ normalise_email('email') }} as email,
        phone,
        first_name,
        last_name,
        birth_date,
        country,
        region,
        city,
        postal_code,
        timezone,
        is_deleted,
        created_at,
        updated_at,
        _loaded_at as loaded_at
    from source
)

select * from final
