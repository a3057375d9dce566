with

source as (
    select * from {{ source('raw', 'products') }}
),

final as (
    select
        product_id,
        nullif(name, '') as name,
        nullif(category, '') as category,
        nullif(description, '') as description,
        price,
        updated_at,
        _loaded_at as loaded_at
    from source
)

select * from final
