with

orders as (
    select * from {{ ref('int_orders__current') }}
    where is_order
),

order_lines as (
    select * from {{ ref('int_order_lines__recent') }}
),

products as (
    select * from {{ ref('int_products__current') }}
),

recent_lines as (
    select
        order_lines.profile_key,
        products.category,
        order_lines.quantity
    from order_lines
    left join products on order_lines.product_id = products.product_id
),

ranked_categories as (
    select
        profile_key,
        category,
        row_number() over (
            partition by profile_key
            order by
                -- What has no category is bought too, but is none to write about.
                case when category is null then 1 else 0 end,
                sum(quantity) desc,
                category nulls last
        ) as category_rank
    from recent_lines
    group by profile_key, category
),

measured as (
    select
        profile_key,
        count(case when {{ in_last_days('ordered_at', 30) }} then 1 end)
            as orders_last_30_days,
        count(case when {{ in_last_days('ordered_at', 90) }} then 1 end)
            as orders_last_90_days,
        sum(case when {{ in_last_days('ordered_at', 90) }} then revenue_amount end)
            as revenue_last_90_days,
        count(*) as lifetime_orders,
        sum(revenue_amount) as lifetime_revenue,
        count(revenue_amount) as valued_orders,
        max(ordered_at) as last_order_at
    from orders
    group by profile_key
),

final as (
    select
        measured.profile_key,
        ranked_categories.category as top_category_last_30_days,
        ranked_categories.profile_key is not null as has_order_line_last_30_days,
        measured.orders_last_30_days,
        measured.orders_last_90_days,
        measured.revenue_last_90_days,
        measured.lifetime_orders,
        measured.lifetime_revenue,
        cast(measured.lifetime_revenue as {{ type_double() }})
        / nullif(measured.valued_orders, 0) as average_order_value,
        measured.last_order_at
    from measured
    left join ranked_categories
        on
            measured.profile_key = ranked_categories.profile_key
            and ranked_categories.category_rank = 1
)

select * from final
