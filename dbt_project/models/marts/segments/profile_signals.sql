with

profiles as (
    select * from {{ ref('dim_profiles') }}
),

resolved as (
    select * from {{ ref('int_profiles__resolved') }}
),

shopped as (
    select * from {{ ref('int_profiles__shopped') }}
),

browsed as (
    select * from {{ ref('int_profiles__browsed') }}
),

carts as (
    select * from {{ ref('int_carts__opened') }}
),

scores as (
    select * from {{ ref('profile_scores') }}
),

-- The share of scored profiles at least as likely to go quiet.
churn_ranks as (
    select
        profile_id,
        cume_dist() over (order by churn_probability desc)
            as churn_probability_cume_dist
    from scores
    where churn_probability is not null
),

local_dates as (
    select
        *,
        case
            when birth_date is not null
                then {{ local_date(as_of(), "coalesce(timezone, 'UTC')") }}
        end as local_date
    from profiles
),

ages as (
    select
        *,
        extract(year from local_date) - extract(year from birth_date) as years
    from local_dates
),

-- As it falls in the year of the local date and in the next one; a step of whole months
-- keeps 29 February on 28 February where the year has none.
celebrated as (
    select
        *,
        {{ date_add('day', 6, 'local_date') }} as last_day,
        {{ date_add('month', '12 * years', 'birth_date') }} as birthday,
        {{ date_add('month', '12 * (years + 1)', 'birth_date') }} as next_birthday
    from ages
),

final as (
    select
        profiles.profile_id,
        profiles.first_name,
        profiles.last_name,
        profiles.birth_date,
        profiles.country,
        profiles.region,
        profiles.city,
        profiles.timezone,
        profiles.engagement_tier,
        profiles.engagement_tier_all_opens,
        profiles.engagement_tier_clicks_only,
        profiles.inactive_reason,
        shopped.top_category_last_30_days,
        profiles.may_be_mailed,
        profiles.may_be_profiled,
        profiles.suppression_reason,
        coalesce(shopped.has_order_line_last_30_days, false)
            as has_order_line_last_30_days,
        coalesce(
            profiles.birthday between profiles.local_date and profiles.last_day
            or profiles.next_birthday between profiles.local_date and profiles.last_day,
            false
        ) as has_birthday_within_7_days,
        coalesce(
            {{ in_last_days('browsed.last_add_to_cart_at', 1) }}
            and (
                profiles.last_order_at is null
                or profiles.last_order_at < browsed.last_add_to_cart_at
            )
            and carts.open_cart_quantity > 0,
            false
        ) as is_recent_abandoner,
        scores.churn_probability,
        churn_ranks.churn_probability_cume_dist,
        scores.open_probability,
        profiles.engagement_score,
        profiles.emails_opened_last_7_days,
        profiles.emails_opened_last_14_days,
        profiles.emails_opened_last_30_days,
        profiles.emails_opened_last_90_days,
        profiles.links_clicked_last_7_days,
        profiles.links_clicked_last_14_days,
        profiles.links_clicked_last_30_days,
        profiles.links_clicked_last_90_days,
        profiles.orders_last_30_days,
        profiles.orders_last_90_days,
        profiles.revenue_last_90_days,
        profiles.lifetime_orders,
        profiles.lifetime_revenue,
        profiles.average_order_value,
        profiles.web_sessions_last_7_days,
        coalesce(browsed.product_view_sessions_last_7_days, 0)
            as product_view_sessions_last_7_days,
        coalesce(browsed.product_views_last_7_days, 0) as product_views_last_7_days,
        cast(coalesce(carts.open_cart_quantity, 0) as {{ dbt.type_bigint() }})
            as open_cart_quantity,
        cast(coalesce(carts.open_cart_value, 0) as decimal(18, 2)) as open_cart_value,
        profiles.first_seen_at,
        profiles.last_engaged_at,
        profiles.last_order_at,
        browsed.last_visited_at,
        browsed.first_product_view_last_24_hours_at,
        browsed.last_add_to_cart_at
    from celebrated as profiles
    inner join resolved on profiles.profile_id = resolved.profile_id
    left join scores on profiles.profile_id = scores.profile_id
    left join churn_ranks on profiles.profile_id = churn_ranks.profile_id
    left join shopped on resolved.profile_key = shopped.profile_key
    left join browsed on resolved.profile_key = browsed.profile_key
    left join carts on resolved.profile_key = carts.profile_key
)

select * from final
