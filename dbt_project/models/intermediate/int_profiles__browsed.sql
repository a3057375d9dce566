with

events as (
    select * from {{ ref('int_web_events__resolved') }}
    where {{ in_last_days('occurred_at', 7) }}
),

visit_days as (
    select * from {{ ref('int_profiles__visited') }}
),

recent as (
    select
        profile_key,
        count(distinct session_id) as web_sessions_last_7_days,
        count(distinct case when event_type = 'product_view' then session_id end)
            as product_view_sessions_last_7_days,
        count(case when event_type = 'product_view' then 1 end)
            as product_views_last_7_days,
        min(
            case
                when
                    event_type = 'product_view'
                    and {{ in_last_days('occurred_at', 1) }}
                    then occurred_at
            end
        ) as first_product_view_last_24_hours_at
    from events
    group by profile_key
),

ever as (
    select
        profile_key,
        max(last_add_to_cart_at) as last_add_to_cart_at,
        max(last_visited_at) as last_visited_at
    from visit_days
    group by profile_key
),

final as (
    select
        ever.profile_key,
        coalesce(recent.web_sessions_last_7_days, 0) as web_sessions_last_7_days,
        coalesce(recent.product_view_sessions_last_7_days, 0)
            as product_view_sessions_last_7_days,
        coalesce(recent.product_views_last_7_days, 0) as product_views_last_7_days,
        recent.first_product_view_last_24_hours_at,
        ever.last_add_to_cart_at,
        ever.last_visited_at
    from ever
    left join recent on ever.profile_key = recent.profile_key
)

select * from final
