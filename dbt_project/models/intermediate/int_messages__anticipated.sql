{#-
    What is known of each profile before a message that would be sent at as_of: the columns
    of int_messages__counted, and no message yet.
-#}
{%- set mail_windows = [7, 30] -%}
-- noqa: disable=layout.indent
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

-- What is received at as_of itself was not known before it.
recent_messages as (
    select * from {{ ref('int_messages__sent') }}
    where
        received_at < {{ as_of() }}
        and {{ in_last_days('received_at', mail_windows | max) }}
),

received as (
    select * from {{ ref('int_profiles__received') }}
),

accumulated as (
    select
        *,
        {{ timestamp_add('microsecond', -1, as_of()) }} as known_until,
        {{ timestamp_add('hour', -24 * 30, as_of()) }} as a_month_before
    from {{ ref('int_profiles__accumulated') }}
),

past as (
    select * from accumulated
    where
        known_from <= known_until
        and (superseded_at is null or superseded_at > known_until)
),

before_30_days as (
    select * from accumulated
    where
        known_from <= a_month_before
        and (superseded_at is null or superseded_at > a_month_before)
),

received_recently as (
    select
        profile_key,
        {%- for days in mail_windows %}
        count(case when {{ in_last_days('received_at', days) }} then 1 end)
            as emails_received_last_{{ days }}_days{{ "," if not loop.last }}
        {%- endfor %}
    from recent_messages
    group by profile_key
),

moments as (
    select
        profiles.profile_key,
        {%- for days in mail_windows %}
        coalesce(received_recently.emails_received_last_{{ days }}_days, 0)
            as emails_received_last_{{ days }}_days,
        {%- endfor %}
        coalesce(received.emails_received, 0) as lifetime_emails_received,
        {{ as_of() }} as received_at,
        coalesce(received.first_received_at, {{ as_of() }}) as first_received_at,
        received.last_received_at
    from profiles
    left join received on profiles.profile_key = received.profile_key
    left join received_recently
        on profiles.profile_key = received_recently.profile_key
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
    left join past on moments.profile_key = past.profile_key
    left join before_30_days on moments.profile_key = before_30_days.profile_key
)

select * from final
