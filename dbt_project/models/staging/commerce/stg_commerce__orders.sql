with

source as (
    select * from {{ source('raw', 'orders') }}
),

final as (
    select
        order_id,
        {{ normalise_email('email') }} as email,
        nullif(lower(trim(status)), '') as status,
        nullif(currency, '') as currency,
        total_amount,
        ordered_at,
        coalesce(updated_at, ordered_at) as updated_at,
        _loaded_at as loaded_at
    from source
)

select * from final
