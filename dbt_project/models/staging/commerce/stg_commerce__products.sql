with

source as (
    select * from {{ source('raw', 'products') }}
),

final as (
    select
        product_id,
        name,
        category,
        description,
        price,
        updated_at,
        _loaded_at as loaded_at
    from source
)

select * from final
