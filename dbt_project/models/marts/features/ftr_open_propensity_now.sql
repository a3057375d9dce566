with

messages as (
    select * from {{ ref('int_messages__featured') }}
    where message_id is null
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

final as (
    select
        profiles.profile_id,
        messages.sent_at as scored_at,
        messages.sent_hour,
        messages.sent_day_of_week,
        messages.emails_received_last_7_days,
        messages.emails_received_last_30_days,
        messages.emails_opened_last_30_days,
        messages.links_clicked_last_30_days,
        messages.visit_days_last_30_days,
        messages.lifetime_emails_received,
        messages.lifetime_emails_opened,
        messages.lifetime_links_clicked,
        messages.lifetime_orders,
        messages.open_rate_last_30_days,
        messages.lifetime_open_rate,
        messages.days_since_last_email,
        messages.days_since_last_open,
        messages.days_since_last_click,
        messages.days_since_last_visit,
        messages.days_since_first_email
    from messages
    inner join profiles on messages.profile_key = profiles.profile_key
)

select * from final
