{{ config(materialized='view') }}
{#- What follows from one row alone is made where it is read: seldom, and cheaply. -#}
with

messages as (
    select * from {{ ref('int_messages__counted') }}
    union all
    select * from {{ ref('int_messages__anticipated') }}
),

final as (
    select
        profile_key,
        message_id,
        sent_at,
        extract(hour from sent_at) as sent_hour,
        {{ day_of_week('sent_at') }} as sent_day_of_week,
        emails_received_last_7_days,
        emails_received_last_30_days,
        emails_opened_last_30_days,
        links_clicked_last_30_days,
        visit_days_last_30_days,
        lifetime_emails_received,
        lifetime_emails_opened,
        lifetime_links_clicked,
        lifetime_orders,
        cast(emails_opened_last_30_days as {{ type_double() }})
        / nullif(emails_received_last_30_days, 0) as open_rate_last_30_days,
        cast(lifetime_emails_opened as {{ type_double() }})
        / nullif(lifetime_emails_received, 0) as lifetime_open_rate,
        {{ days_between('last_received_at', 'received_at') }} as days_since_last_email,
        {{ days_between('last_opened_at', 'received_at') }} as days_since_last_open,
        {{ days_between('last_clicked_at', 'received_at') }} as days_since_last_click,
        {{ days_between('last_visited_at', 'received_at') }} as days_since_last_visit,
        {{ days_between(
            'case when first_received_at < received_at then first_received_at end',
            'received_at',
        ) }} as days_since_first_email
    from messages
)

select * from final
