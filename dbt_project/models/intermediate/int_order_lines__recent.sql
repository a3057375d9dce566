{{ config(materialized='view') }}
{#- What was bought long ago is in no measure: of other orders no lines are sorted. -#}
with

orders as (
    select * from {{ ref('int_orders__current') }}
    where is_order and {{ in_last_days('ordered_at', 30) }}
),

order_lines as (
    select
        orders.profile_key,
        order_lines.order_id,
        order_lines.line_number,
        order_lines.product_id,
        order_lines.quantity,
        order_lines.unit_price,
        order_lines.updated_at
    from {{ ref('stg_commerce__order_lines') }} as order_lines
    inner join orders on order_lines.order_id = orders.order_id
    where order_lines.updated_at <= {{ as_of() }} or order_lines.updated_at is null
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
        profile_key,
        order_id,
        line_number,
        product_id,
        quantity,
        updated_at
    from ranked
    where version_rank = 1
)

select * from final
