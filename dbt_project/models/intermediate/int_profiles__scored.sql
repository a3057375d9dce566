with

points as (
    select * from {{ ref('engagement_score_points') }}
),

engagements as (
    select * from {{ ref('int_engagements__collapsed') }}
    where first_human_at is not null
),

visit_days as (
    select * from {{ ref('int_profiles__visited') }}
),

orders as (
    select * from {{ ref('int_orders__current') }}
    where is_order
),

activities as (
    select
        profile_key,
        case event_type when 'open' then 'email_opened' else 'link_clicked' end
            as activity,
        first_human_at as scored_at
    from engagements
    union all
    select
        profile_key,
        'site_visit_day' as activity,
        first_visited_at as scored_at
    from visit_days
    union all
    select
        profile_key,
        'order' as activity,
        ordered_at as scored_at
    from orders
),

weighted as (
    select
        activities.profile_key,
        points.points * power(
            0.5,
            {{ days_between('activities.scored_at', as_of()) }} / points.half_life_days
        ) as weighted_points
    from activities
    inner join points on activities.activity = points.activity
    where {{ in_last_days('activities.scored_at', 'points.window_days') }}
),

final as (
    select
        profile_key,
        -- The last digits of a sum hang on its order, which is another each time.
        round(sum(weighted_points), 10) as engagement_score
    from weighted
    group by profile_key
)

select * from final
