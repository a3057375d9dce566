{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'profile_key': 'int_profiles__touched'}}
    )
}}
{#-
    What was known of a profile strictly before a message was. Mails are counted over
    ranges of the messages themselves; for the rest, counts in a window are the counts up
    to its end less those up to its beginning.
-#}
{%- set microseconds_a_day = 24 * 60 * 60 * 1000000 -%}
{%- set mail_windows = [7, 30] -%}
with

messages as (
    select * from {{ ref('int_messages__sent') }}
    where {{ is_touched() }}
),

accumulated as (
    select * from {{ ref('int_profiles__accumulated') }}
    where {{ is_touched() }}
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
    from received
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
