with

source as (
    select * from {{ source('raw', 'order_lines') }}
),

final as (
    select
        order_id,
        line_number,
        product_id,
        quantity,
        unit_price,
        updated_at,
        _loaded_at as loaded_at
    from source
)

select * from final
