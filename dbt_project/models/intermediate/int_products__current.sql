with

products as (
    select * from {{ ref('stg_commerce__products') }}
    where updated_at <= {{ as_of() }} or updated_at is null
),

ranked as (
    select
        *,
        row_number() over (
            partition by product_id
            order by
                updated_at desc nulls last,
                name desc nulls last,
                category desc nulls last,
                price desc nulls last,
                description desc nulls last
        ) as version_rank
    from products
),

final as (
    select
        product_id,
        name,
        category,
        description,
        price,
        updated_at
    from ranked
    where version_rank = 1
)

select * from final
