{{ config(materialized='view') }}
with

orders as (
    select * from {{ ref('int_orders__current') }}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

final as (
    select
        orders.order_id,
        profiles.profile_id,
        orders.status,
        orders.currency,
        orders.total_amount,
        orders.revenue_amount,
        orders.ordered_at,
        orders.updated_at
    from orders
    inner join profiles on orders.profile_key = profiles.profile_key
)

select * from final
