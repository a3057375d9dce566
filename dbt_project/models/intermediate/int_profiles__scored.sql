with

points as (
    select * from {{ ref('engagement_score_points') }}
),

opens_and_clicks as (
    select
        profile_key,
        case event_type when 'open' then 'email_opened' else 'link_clicked' end as activity,
        first_human_at as scored_at
    from {{ ref('int_engagements__collapsed') }}
    where first_human_at is not null
),

visits as (
    select
        profile_key,
        'site_visit_day' as activity,
        min(occurred_at) as scored_at
    from {{ ref('int_web_events__resolved') }}
    group by profile_key, cast(occurred_at as date)
),

orders as (
    select
        profile_key,
        'order' as activity,
        ordered_at as scored_at
    from {{ ref('int_orders__current') }}
    where is_order
),

activities as (
    select * from opens_and_clicks
    union all
    select * from visits
    union all
    select * from orders
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
    where activities.scored_at > {{ timestamp_add('hour', '-24 * points.window_days', as_of()) }}
),

final as (
    select
        profile_key,
        sum(weighted_points) as engagement_score
    from weighted
    group by profile_key
)

select * from final
