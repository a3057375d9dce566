{#-
    What is known of each profile before a message that would be sent at as_of: the columns
    of int_messages__counted, and no message yet.
-#}
{%- set mail_windows = [7, 30] -%}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

-- What is received at as_of itself was not known before it.
messages as (
    select * from {{ ref('int_messages__sent') }}
    where received_at < {{ as_of() }}
),

accumulated as (
    select * from {{ ref('int_profiles__accumulated') }}
),

received as (
    select
        profile_key,
        {%- for days in mail_windows %}
        count(case when {{ in_last_days('received_at', days) }} then 1 end)
            as emails_received_last_{{ days }}_days,
        {%- endfor %}
        count(*) as lifetime_emails_received,
        min(received_at) as first_received_at,
        max(received_at) as last_received_at
    from messages
    group by profile_key
),

moments as (
    select
        profiles.profile_key,
        {%- for days in mail_windows %}
        coalesce(received.emails_received_last_{{ days }}_days, 0)
            as emails_received_last_{{ days }}_days,
        {%- endfor %}
        coalesce(received.lifetime_emails_received, 0) as lifetime_emails_received,
        {{ as_of() }} as received_at,
        {{ timestamp_add('microsecond', -1, as_of()) }} as known_until,
        {{ timestamp_add('hour', -24 * 30, as_of()) }} as a_month_before,
        coalesce(received.first_received_at, {{ as_of() }}) as first_received_at,
        received.last_received_at
    from profiles
    left join received on profiles.profile_key = received.profile_key
),

final as (
    select
        moments.profile_key,
        cast(null as {{ dbt.type_string() }}) as message_id,
        {%- for days in mail_windows %}
        moments.emails_received_last_{{ days }}_days,
        {%- endfor %}
        {%- for measure in ['emails_opened', 'links_clicked', 'visit_days'] %}
        coalesce(past.{{ measure }}, 0) - coalesce(before_30_days.{{ measure }}, 0)
            as {{ measure }}_last_30_days,
        {%- endfor %}
        moments.lifetime_emails_received,
        {%- for measure in ['emails_opened', 'links_clicked', 'orders'] %}
        coalesce(past.{{ measure }}, 0) as lifetime_{{ measure }},
        {%- endfor %}
        moments.received_at as sent_at,
        moments.received_at,
        moments.first_received_at,
        moments.last_received_at,
        past.last_opened_at,
        past.last_clicked_at,
        past.last_visited_at
    from moments
    {{ left_join_newest(
        'accumulated', 'past', 'moments.profile_key', 'moments.known_until'
    ) }}
    {{ left_join_newest(
        'accumulated', 'before_30_days', 'moments.profile_key', 'moments.a_month_before'
    ) }}
)

select * from final
