{{ config(materialized='view') }}
with

messages as (
    select * from {{ ref('int_messages__featured') }}
    where message_id is not null
),

sent_messages as (
    select
        *,
        {{ timestamp_add('hour', 72, 'sent_at') }} as horizon_at
    from {{ ref('int_messages__sent') }}
),

opens as (
    select * from {{ ref('int_email_events__classified') }}
    where event_type = 'open' and is_human
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

opened_in_time as (
    select distinct
        sent_messages.profile_key,
        sent_messages.message_id
    from sent_messages
    inner join opens
        on
            sent_messages.profile_key = opens.profile_key
            and sent_messages.message_id = opens.message_key
            and opens.occurred_at between sent_messages.sent_at
            and sent_messages.horizon_at
),

final as (
    select
        messages.message_id,
        profiles.profile_id,
        messages.sent_at,
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
        messages.days_since_first_email,
        case
            when messages.sent_at <= {{ timestamp_add('hour', -72, as_of()) }}
                then opened_in_time.message_id is not null
        end as is_opened
    from messages
    inner join profiles on messages.profile_key = profiles.profile_key
    left join opened_in_time
        on
            messages.profile_key = opened_in_time.profile_key
            and messages.message_id = opened_in_time.message_id
)

select * from final
