{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={
            'replaces': {'cutoff_at, profile_key': 'int_cutoff_profiles__due'},
            'keeps': {'cutoff_at': 'int_cutoffs__listed'}
        }
    )
}}
{#
    Opens and clicks up to 10 s before the cutoff: a burst is recognised that late.
#}
{% set engagement_windows = [7, 14, 30, 90, 365] -%}
with

active as (
    select
        active.*,
        {{ window_beginnings('active.cutoff_at', engagement_windows) }},
        {{ timestamp_add('second', -10, 'active.cutoff_at') }} as settled_at
    from {{ ref('int_cutoff_profiles__active') }} as active
    {{ join_due(ref('int_cutoff_profiles__due'), 'active', 'active') }}
),

followed as (
    select * from {{ ref('int_engagements__followed') }}
),

-- Of one message or link the newest by then stands for all: none is counted twice.
engagements as (
    select
        active.*,
        followed.event_type,
        followed.is_human,
        followed.occurred_at
    from active
    inner join followed
        on
            active.profile_key = followed.profile_key
            and followed.occurred_at <= active.settled_at
            and (followed.next_at is null or followed.next_at > active.settled_at)
            and followed.occurred_at > active.last_365_days_begin
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
                    and is_human
                    and occurred_at > last_{{ days }}_days_begin
                    then 1
            end
        ) as {{ measure }}_last_{{ days }}_days,
        {%- endfor %}
        max(case when event_type = '{{ event_type }}' and is_human then occurred_at end)
            as last_{{ event_type }}_at,
        {%- endfor %}
        count(
            case
                when
                    event_type = 'open'
                    and not is_human
                    and occurred_at > last_30_days_begin
                    then 1
            end
        ) as emails_opened_by_machines_last_30_days
    from engagements
    group by cutoff_at, profile_key
)

select * from final
