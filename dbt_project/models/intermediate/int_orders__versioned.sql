with

orders as (
    select * from {{ ref('stg_commerce__orders') }}
    where
        ordered_at <= {{ as_of() }}
        and updated_at <= {{ as_of() }}
),

erased_addresses as (
    select * from {{ ref('int_addresses__erased') }}
),

erased_orders as (
    select distinct orders.order_id
    from orders
    inner join erased_addresses on orders.email = erased_addresses.email
),

retained as (
    select
        orders.*,
        -- A version is known from the later of its own time and that of its order.
        greatest(orders.ordered_at, orders.updated_at) as known_from
    from orders
    left join erased_orders on orders.order_id = erased_orders.order_id
    where erased_orders.order_id is null
),

-- A version is out of date as soon as any newer one is known, not only the next.
superseded as (
    select
        *,
        min(known_from) over (
            partition by order_id
            order by
                updated_at,
                email nulls first,
                ordered_at,
                status nulls first,
                currency nulls first,
                total_amount
            rows between 1 following and unbounded following
        ) as superseded_at
    from retained
),

final as (
    select
        order_id,
        email,
        coalesce(status, 'placed') as status,
        coalesce(status, 'placed') in ('placed', 'paid') as is_order,
        currency,
        total_amount,
        ordered_at,
        updated_at,
        known_from,
        superseded_at
    from superseded
)

select * from final
