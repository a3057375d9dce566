with

orders as (
    select * from {{ ref('int_orders__current') }}
),

final as (
    select
        order_id,
        profile_id,
        status,
        currency,
        total_amount,
        revenue_amount,
        ordered_at,
        updated_at
    from orders
)

select * from final
