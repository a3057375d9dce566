{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={
            'replaces': {'profile_key': 'int_profiles__touched'},
            'since': 'received_at'
        }
    )
}}
{#-
    What was known of a profile strictly before a message was. Mails are counted over
    ranges of the messages themselves; for the rest, counts in a window are the counts up
    to its end less those up to its beginning. Where a build goes on, it looks back as far
    as the widest window before the first change.
-#}
{%- set microseconds_a_day = 24 * 60 * 60 * 1000000 -%}
{%- set mail_windows = [7, 30] -%}
{%- set looked_back_to = timestamp_add(
    'hour', -24 * mail_windows | max, 'touched.changed_from'
) -%}
{%- set touched = ref('int_profiles__touched') %}
with

messages as (
    select messages.*
    from {{ ref('int_messages__sent') }} as messages
    {{ join_touched(
        'messages', touched, since='messages.received_at', changed_from=looked_back_to
    ) }}
),

{% if continues_build() -%}
earlier as (
    select
        messages.profile_key,
        count(*) as emails_received,
        min(messages.received_at) as first_received_at,
        max(messages.received_at) as last_received_at
    from {{ ref('int_messages__sent') }} as messages
    inner join {{ touched }} as touched
        on
            messages.profile_key = touched.profile_key
            and messages.received_at < {{ looked_back_to }}
    group by messages.profile_key
),

{% endif -%}
accumulated as (
    select accumulated.*
    from {{ ref('int_profiles__accumulated') }} as accumulated
    {{ join_touched(
        'accumulated',
        touched,
        since='accumulated.superseded_at',
        changed_from=looked_back_to,
    ) }}
),

timed as (
    select
        *,
        {{ epoch_microseconds('received_at') }} as received_us
    from messages
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

{% if continues_build() -%}
changed as (
    select
        received.profile_key,
        received.message_id,
        {%- for days in mail_windows %}
        received.emails_received_last_{{ days }}_days,
        {%- endfor %}
        received.lifetime_emails_received + coalesce(earlier.emails_received, 0)
            as lifetime_emails_received,
        received.sent_at,
        received.received_at,
        received.known_until,
        coalesce(earlier.first_received_at, received.first_received_at)
            as first_received_at,
        coalesce(received.last_received_at, earlier.last_received_at)
            as last_received_at
    from received
    {{ join_touched('received', touched, since='received.received_at') }}
    left join earlier on received.profile_key = earlier.profile_key
),
{%- else -%}
changed as (
    select * from received
),
{%- endif %}

final as (
    select
        received.profile_key,
        received.message_id,
        {%- for days in mail_windows %}
        received.emails_received_last_{{ days }}_days,
        {%- endfor %}
        {%- for measure in ['emails_opened', 'links_clicked', 'visit_days'] %}
        coalesce(past.{{ measure }}, 0) - coalesce(before_30_days.{{ measure }}, 0)
            as {{ measure }}_last_30_days,
        {%- endfor %}
        received.lifetime_emails_received,
        {%- for measure in ['emails_opened', 'links_clicked', 'orders'] %}
        coalesce(past.{{ measure }}, 0) as lifetime_{{ measure }},
        {%- endfor %}
        received.sent_at,
        received.received_at,
        received.first_received_at,
        received.last_received_at,
        past.last_opened_at,
        past.last_clicked_at,
        past.last_visited_at
    from changed as received
    {{ left_join_newest(
        'accumulated', 'past', 'received.profile_key', 'received.known_until'
    ) }}
    {{ left_join_newest(
        'accumulated',
        'before_30_days',
        'received.profile_key',
        timestamp_add('hour', -24 * 30, 'received.received_at'),
    ) }}
)

select * from final
