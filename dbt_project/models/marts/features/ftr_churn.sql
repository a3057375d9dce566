{{ config(materialized='view') }}
with

measured as (
    select * from {{ ref('int_cutoff_profiles__measured') }}
),

churned as (
    select * from {{ ref('int_cutoff_profiles__churned') }}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

final as (
    select
        profiles.profile_id,
        measured.cutoff_at,
        measured.emails_received_last_7_days,
        measured.emails_received_last_30_days,
        measured.emails_received_last_90_days,
        measured.emails_opened_last_7_days,
        measured.emails_opened_last_14_days,
        measured.emails_opened_last_30_days,
        measured.emails_opened_last_90_days,
        measured.emails_opened_last_365_days,
        measured.links_clicked_last_7_days,
        measured.links_clicked_last_14_days,
        measured.links_clicked_last_30_days,
        measured.links_clicked_last_90_days,
        measured.links_clicked_last_365_days,
        measured.emails_opened_by_machines_last_30_days,
        measured.complaints_last_365_days,
        measured.unsubscribes_last_365_days,
        measured.bounces_last_365_days,
        measured.web_sessions_last_7_days,
        measured.web_sessions_last_30_days,
        measured.web_sessions_last_90_days,
        measured.product_views_last_30_days,
        measured.adds_to_cart_last_30_days,
        measured.orders_last_30_days,
        measured.orders_last_90_days,
        measured.orders_last_365_days,
        measured.revenue_last_365_days,
        measured.lifetime_orders,
        measured.lifetime_emails_received,
        measured.active_days_last_365_days,
        measured.expected_engagements_next_30_days,
        measured.expected_active_days_since_last_activity,
        measured.days_since_last_activity,
        measured.days_since_last_open,
        measured.days_since_last_click,
        measured.days_since_last_visit,
        measured.days_since_last_order,
        measured.days_since_last_email,
        measured.days_since_first_email,
        churned.is_churned
    from measured
    inner join churned
        on
            measured.cutoff_at = churned.cutoff_at
            and measured.profile_key = churned.profile_key
    inner join profiles on measured.profile_key = profiles.profile_key
)

select * from final
