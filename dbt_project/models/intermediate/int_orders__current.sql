{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'order_id': 'int_orders__touched'}}
    )
}}
with

orders as (
    select * from {{ ref('int_orders__versioned') }}
    where
        superseded_at is null
        and {{ is_touched('order_id', ref('int_orders__touched')) }}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

final as (
    select
        orders.order_id,
        profiles.profile_key,
        orders.status,
        orders.is_order,
        orders.currency,
        orders.total_amount,
        orders.revenue_amount,
        orders.ordered_at,
        orders.updated_at
    from orders
    inner join profiles on orders.email = profiles.email
)

select * from final
