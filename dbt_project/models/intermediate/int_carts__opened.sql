with

recent_events as (
    select * from {{ ref('int_web_events__resolved') }}
    where product_id is not null and {{ in_last_days('occurred_at', 7) }}
),

older_events as (
    select * from {{ ref('int_web_events__resolved') }}
    where product_id is not null and not {{ in_last_days('occurred_at', 7) }}
),

shopped as (
    select * from {{ ref('int_profiles__shopped') }}
),

products as (
    select * from {{ ref('int_products__current') }}
),

cart_changes as (
    select
        events.profile_key,
        events.product_id,
        case
            when events.event_type = 'add_to_cart' then coalesce(events.quantity, 1)
            else -coalesce(events.quantity, 1)
        end as quantity
    from recent_events as events
    left join shopped on events.profile_key = shopped.profile_key
    where
        events.event_type in ('add_to_cart', 'remove_from_cart')
        and (
            shopped.last_order_at is null
            or events.occurred_at > shopped.last_order_at
        )
),

carts as (
    select
        cart_changes.profile_key,
        cart_changes.product_id,
        sum(cart_changes.quantity) as quantity
    from cart_changes
    group by cart_changes.profile_key, cart_changes.product_id
    having sum(cart_changes.quantity) > 0
),

-- The price that the visitor saw last, on whatever event: mostly one of these days.
recent_prices as (
    select
        events.profile_key,
        events.product_id,
        events.unit_price,
        row_number() over (
            partition by events.profile_key, events.product_id
            order by events.occurred_at desc, events.unit_price desc
        ) as price_rank
    from recent_events as events
    inner join carts
        on
            events.profile_key = carts.profile_key
            and events.product_id = carts.product_id
    where events.unit_price is not null
),

unpriced as (
    select
        carts.profile_key,
        carts.product_id
    from carts
    left join recent_prices
        on
            carts.profile_key = recent_prices.profile_key
            and carts.product_id = recent_prices.product_id
    where recent_prices.profile_key is null
),

older_prices as (
    select
        events.profile_key,
        events.product_id,
        events.unit_price,
        row_number() over (
            partition by events.profile_key, events.product_id
            order by events.occurred_at desc, events.unit_price desc
        ) as price_rank
    from older_events as events
    inner join unpriced
        on
            events.profile_key = unpriced.profile_key
            and events.product_id = unpriced.product_id
    where events.unit_price is not null
),

seen_prices as (
    select * from recent_prices
    union all
    select * from older_prices
),

final as (
    select
        carts.profile_key,
        sum(carts.quantity) as open_cart_quantity,
        sum(carts.quantity * coalesce(seen_prices.unit_price, products.price, 0))
            as open_cart_value
    from carts
    left join seen_prices
        on
            carts.profile_key = seen_prices.profile_key
            and carts.product_id = seen_prices.product_id
            and seen_prices.price_rank = 1
    left join products on carts.product_id = products.product_id
    group by carts.profile_key
)

select * from final
