with

order_lines as (
    select * from {{ ref('stg_commerce__order_lines') }}
    where updated_at <= {{ as_of() }} or updated_at is null
),

ranked as (
    select
        *,
        row_number() over (
            partition by order_id, line_number
            order by
                updated_at desc nulls last,
                product_id desc,
                quantity desc,
                unit_price desc
        ) as version_rank
    from order_lines
),

final as (
    select
        order_id,
        line_number,
        product_id,
        quantity,
        unit_price,
        updated_at
    from ranked
    where version_rank = 1
)

select * from final
