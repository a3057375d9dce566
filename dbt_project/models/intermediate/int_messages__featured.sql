{#-
    What was known of a profile strictly before a message was. Mails are counted over
    ranges of the messages themselves; for the rest, counts in a window are the counts up
    to its end less those up to its beginning.
-#}
{%- set microseconds_a_day = 24 * 60 * 60 * 1000000 -%}
{%- set mail_windows = [7, 30, 90] -%}
{%- set windows = [30, 90] -%}
with

messages as (
    select * from {{ ref('int_messages__sent') }}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

accumulated as (
    select * from {{ ref('int_profiles__accumulated') }}
),

-- Beside the messages that were sent, one that would be sent to everybody at as_of.
moments as (
    select
        profile_key,
        message_id,
        sent_at,
        received_at
    from messages
    union all
    select
        profile_key,
        cast(null as {{ dbt.type_string() }}) as message_id,
        {{ as_of() }} as sent_at,
        {{ as_of() }} as received_at
    from profiles
),

timed as (
    select
        *,
        {{ epoch_microseconds('received_at') }} as received_us
    from moments
),

received as (
    select
        profile_key,
        message_id,
        {%- for days in mail_windows %}
        count(*) over (
            partition by profile_key
            order by received_us
            range between {{ days * microseconds_a_day - 1 }} preceding and 1 preceding
        ) as emails_received_last_{{ days }}_days,
        {%- endfor %}
        rank() over (partition by profile_key order by received_us) - 1
            as lifetime_emails_received,
        sent_at,
        received_at,
        {{ timestamp_add('microsecond', -1, 'received_at') }} as known_until,
        first_value(received_at) over (
            partition by profile_key order by received_us
        ) as first_received_at,
        last_value(received_at) over (
            partition by profile_key
            order by received_us
            range between unbounded preceding and 1 preceding
        ) as last_received_at
    from timed
),

counted as (
    select
        received.*,
        {%- for measure in ['emails_opened', 'links_clicked', 'visit_days'] %}
        {%- for days in windows %}
        coalesce(past.{{ measure }}, 0)
        - coalesce(before_{{ days }}_days.{{ measure }}, 0)
            as {{ measure }}_last_{{ days }}_days,
        {%- endfor %}
        {%- endfor %}
        {%- for measure in ['emails_opened', 'links_clicked', 'orders'] %}
        coalesce(past.{{ measure }}, 0) as lifetime_{{ measure }},
        {%- endfor %}
        past.last_opened_at,
        past.last_clicked_at,
        past.last_visited_at
    from received
    {{ left_join_newest(
        'accumulated', 'past', 'received.profile_key', 'received.known_until'
    ) }}
    {%- for days in windows %}
    {{ left_join_newest(
        'accumulated',
        'before_' ~ days ~ '_days',
        'received.profile_key',
        timestamp_add('hour', -24 * days, 'received.received_at'),
    ) }}
    {%- endfor %}
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
        emails_received_last_90_days,
        emails_opened_last_30_days,
        emails_opened_last_90_days,
        links_clicked_last_30_days,
        links_clicked_last_90_days,
        visit_days_last_30_days,
        lifetime_emails_received,
        lifetime_emails_opened,
        lifetime_links_clicked,
        lifetime_orders,
        cast(emails_opened_last_90_days as double)
        / nullif(emails_received_last_90_days, 0) as open_rate_last_90_days,
        cast(lifetime_emails_opened as double)
        / nullif(lifetime_emails_received, 0) as lifetime_open_rate,
        {{ days_between('last_received_at', 'received_at') }} as days_since_last_email,
        {{ days_between('last_opened_at', 'received_at') }} as days_since_last_open,
        {{ days_between('last_clicked_at', 'received_at') }} as days_since_last_click,
        {{ days_between('last_visited_at', 'received_at') }} as days_since_last_visit,
        {{ days_between(
            'case when first_received_at < received_at then first_received_at end',
            'received_at',
        ) }} as days_since_first_email
    from counted
)

select * from final
