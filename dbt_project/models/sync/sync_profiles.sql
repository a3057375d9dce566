with

profiles as (
    select * from {{ ref('dim_profiles') }}
),

permitted as (
    select * from {{ ref('int_profiles__permitted') }}
    where may_be_delivered
),

resolved as (
    select * from {{ ref('int_profiles__resolved') }}
),

scores as (
    select * from {{ ref('profile_scores') }}
),

final as (
    select
        profiles.profile_id,
        profiles.email,
        profiles.first_name,
        profiles.last_name,
        profiles.country,
        profiles.region,
        profiles.city,
        profiles.timezone,
        profiles.engagement_tier,
        profiles.inactive_reason,
        cast(round(profiles.engagement_score) as {{ dbt.type_bigint() }})
            as engagement_score,
        -- Told in hundredths: the rest is noise that would change every day.
        case
            when permitted.scores_may_be_delivered
                then round(scores.churn_probability, 2)
        end as churn_probability,
        case
            when permitted.scores_may_be_delivered
                then round(scores.open_probability, 2)
        end as open_probability,
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
        round(profiles.average_order_value, 2) as average_order_value,
        profiles.web_sessions_last_7_days,
        profiles.first_seen_at,
        profiles.last_engaged_at,
        profiles.last_order_at
    from profiles
    inner join resolved on profiles.profile_id = resolved.profile_id
    inner join permitted on resolved.profile_key = permitted.profile_key
    inner join scores on profiles.profile_id = scores.profile_id
)

select * from final
