{#
    Opens and clicks up to 10 s before the cutoff: a burst is recognised that late.
#}
{% set engagement_windows = [7, 14, 30, 90, 365] -%}
with

active as (
    select
        *,
        {{ timestamp_add('second', -10, 'cutoff_at') }} as settled_at
    from {{ ref('int_cutoff_profiles__active') }}
),

email_engagements as (
    select
        *,
        case when event_type = 'click' then url end as clicked_url
    from {{ ref('int_email_events__classified') }}
),

engagements as (
    select
        active.cutoff_at,
        active.profile_key,
        events.event_type,
        events.message_key,
        events.clicked_url,
        max(case when events.is_human then events.occurred_at end) as last_human_at,
        max(case when not events.is_human then events.occurred_at end)
            as last_machine_at
    from active
    inner join email_engagements as events
        on
            active.profile_key = events.profile_key
            and events.occurred_at <= active.settled_at
            and {{ in_last_days('events.occurred_at', 365, 'active.cutoff_at') }}
    group by
        active.cutoff_at,
        active.profile_key,
        events.event_type,
        events.message_key,
        events.clicked_url
),

final as (
    select
        cutoff_at,
        profile_key,
        {%- for event_type, measure in [
            ('open', 'emails_opened'), ('click', 'links_clicked'),
        ] %}
        {%- for days in engagement_windows %}
        count(
            case
                when
                    event_type = '{{ event_type }}'
                    and {{ in_last_days('last_human_at', days, 'cutoff_at') }}
                    then 1
            end
        ) as {{ measure }}_last_{{ days }}_days,
        {%- endfor %}
        max(case when event_type = '{{ event_type }}' then last_human_at end)
            as last_{{ event_type }}_at,
        {%- endfor %}
        count(
            case
                when
                    event_type = 'open'
                    and {{ in_last_days('last_machine_at', 30, 'cutoff_at') }}
                    then 1
            end
        ) as emails_opened_by_machines_last_30_days
    from engagements
    group by cutoff_at, profile_key
)

select * from final
