{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'message_hash': 'int_messages__touched'}}
    )
}}
{#-
    In the window of a tier an email counts from its first open on until the window has
    passed since the last one; a later open in time only prolongs that. So a stretch
    begins with +1 and ends with -1, and the sums up to an instant are the counts at it.
    Ends that are still to come are there too: later builds find them.
-#}
with

engagements as (
    select * from {{ ref('int_engagements__followed') }}
    where
        is_human
        and {{ is_touched('message_hash', ref('int_messages__touched')) }}
),

tiers as (
    select * from {{ ref('engagement_tiers') }}
    where window_days is not null
),

leaving as (
    select
        engagements.*,
        tiers.engagement_tier,
        {{ timestamp_add('hour', '24 * tiers.window_days', 'engagements.occurred_at') }}
            as leaves_at,
        {{ timestamp_add('hour', '24 * tiers.window_days', 'engagements.previous_at') }}
            as previous_leaves_at
    from engagements
    cross join tiers
),

changes as (
    select
        profile_key,
        message_hash,
        event_type,
        engagement_tier,
        occurred_at as changed_at,
        1 as change
    from leaving
    where previous_at is null or previous_leaves_at <= occurred_at
    union all
    select
        profile_key,
        message_hash,
        event_type,
        engagement_tier,
        leaves_at as changed_at,
        -1 as change
    from leaving
    where next_at is null or leaves_at <= next_at
),

summed as (
    select
        profile_key,
        message_hash,
        {%- for tier, prefix in tiers_with_a_rule() %}
        {%- for event_type, measure in [('open', 'opened'), ('click', 'clicked')] %}
        sum(
            case
                when engagement_tier = '{{ tier }}' and event_type = '{{ event_type }}'
                    then change
                else 0
            end
        ) as {{ measure }}_{{ prefix }}_change,
        {%- endfor %}
        {%- endfor %}
        changed_at
    from changes
    group by profile_key, message_hash, changed_at
),

final as (
    select
        profile_key,
        message_hash,
        changed_at,
        opened_high_change,
        clicked_high_change,
        opened_moderate_change,
        clicked_moderate_change,
        opened_lapsing_change,
        clicked_lapsing_change
    from summed
)

select * from final
