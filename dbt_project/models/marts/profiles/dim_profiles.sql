with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

attributed as (
    select * from {{ ref('int_profiles__attributed') }}
),

engaged as (
    select * from {{ ref('int_profiles__engaged') }}
),

permitted as (
    select * from {{ ref('int_profiles__permitted') }}
),

scored as (
    select * from {{ ref('int_profiles__scored') }}
),

mailed as (
    select * from {{ ref('int_profiles__mailed') }}
),

shopped as (
    select * from {{ ref('int_profiles__shopped') }}
),

browsed as (
    select * from {{ ref('int_profiles__browsed') }}
),

final as (
    select
        profiles.profile_id,
        profiles.email,
        attributed.first_name,
        attributed.last_name,
        attributed.birth_date,
        attributed.country,
        attributed.region,
        attributed.city,
        attributed.timezone,
        engaged.engagement_tier,
        engaged.engagement_tier_all_opens,
        engaged.engagement_tier_clicks_only,
        case
            when engaged.engagement_tier <> 'inactive' then null
            when {{ in_last_days('profiles.first_seen_at', 30) }} then 'new'
            when mailed.profile_key is null then 'not_mailed'
            when {{ in_last_days('engaged.last_machine_open_at', 30) }}
                then 'opens_hidden'
            else 'ignored'
        end as inactive_reason,
        permitted.may_be_mailed,
        permitted.may_be_profiled,
        permitted.suppression_reason,
        coalesce(scored.engagement_score, 0) as engagement_score,
        engaged.emails_opened_last_7_days,
        engaged.emails_opened_last_14_days,
        engaged.emails_opened_last_30_days,
        engaged.emails_opened_last_90_days,
        engaged.links_clicked_last_7_days,
        engaged.links_clicked_last_14_days,
        engaged.links_clicked_last_30_days,
        engaged.links_clicked_last_90_days,
        coalesce(shopped.orders_last_30_days, 0) as orders_last_30_days,
        coalesce(shopped.orders_last_90_days, 0) as orders_last_90_days,
        cast(coalesce(shopped.revenue_last_90_days, 0) as decimal(18, 2))
            as revenue_last_90_days,
        coalesce(shopped.lifetime_orders, 0) as lifetime_orders,
        cast(coalesce(shopped.lifetime_revenue, 0) as decimal(18, 2))
            as lifetime_revenue,
        shopped.average_order_value,
        coalesce(browsed.web_sessions_last_7_days, 0) as web_sessions_last_7_days,
        profiles.first_seen_at,
        engaged.last_engaged_at,
        shopped.last_order_at
    from profiles
    inner join attributed on profiles.profile_key = attributed.profile_key
    inner join engaged on profiles.profile_key = engaged.profile_key
    inner join permitted on profiles.profile_key = permitted.profile_key
    left join scored on profiles.profile_key = scored.profile_key
    left join mailed on profiles.profile_key = mailed.profile_key
    left join shopped on profiles.profile_key = shopped.profile_key
    left join browsed on profiles.profile_key = browsed.profile_key
)

select * from final
