{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'message_hash': 'int_messages__touched'}}
    )
}}
{%- set touched = ref('int_email_events__touched') -%}
{%- set all = ref('int_email_events__deduplicated') %}
with

engagements as (
    select * from {{ anew_or_all(touched, all) }}
    where event_type in ('open', 'click')
),

messages as (
    select
        *,
        {{ timestamp_add('second', 2, 'delivered_at') }} as too_fast_until
    from {{ ref('int_messages__sent') }}
    where {{ is_touched('message_hash', ref('int_messages__touched')) }}
),

patterns as (
    select * from {{ ref('machine_user_agents') }}
),

-- Patterns meet each user agent once, not each event.
user_agents as (
    select distinct user_agent from engagements
    where user_agent is not null
),

machine_user_agents as (
    select distinct user_agents.user_agent
    from user_agents
    inner join patterns
        on {{ matches_pattern('lower(user_agents.user_agent)', 'patterns.pattern') }}
),

message_clicks as (
    select
        message_hash,
        url,
        occurred_at
    from engagements
    where event_type = 'click' and message_id is not null
),

fast_clicks as (
    select distinct
        message_clicks.message_hash,
        message_clicks.occurred_at
    from message_clicks
    inner join messages on message_clicks.message_hash = messages.message_hash
    where
        message_clicks.occurred_at >= messages.delivered_at
        and message_clicks.occurred_at < messages.too_fast_until
),

-- Only a message with clicks on three links can hold a burst.
suspect_messages as (
    select message_hash
    from message_clicks
    group by message_hash
    having count(distinct url) >= 3
),

suspect_clicks as (
    select message_clicks.*
    from message_clicks
    inner join suspect_messages
        on message_clicks.message_hash = suspect_messages.message_hash
),

-- A span of 10 s begins in one slot of the clock and ends in it or in the next. Joined
-- through these, a message with very many clicks does not meet itself whole.
slotted_clicks as (
    select
        *,
        {{ clock_slot('occurred_at', 10) }} as slot
    from suspect_clicks
),

reachable_clicks as (
    select
        *,
        slot as span_slot
    from slotted_clicks
    union all
    select
        *,
        slot - 1 as span_slot
    from slotted_clicks
),

-- A span that holds a burst can be moved until it begins with one of its clicks.
spans as (
    select distinct
        message_hash,
        slot,
        occurred_at as begins_at,
        {{ timestamp_add('second', 10, 'occurred_at') }} as ends_at
    from slotted_clicks
),

bursts as (
    select
        spans.message_hash,
        spans.slot,
        spans.begins_at,
        spans.ends_at
    from spans
    inner join reachable_clicks
        on
            spans.message_hash = reachable_clicks.message_hash
            and spans.slot = reachable_clicks.span_slot
            and reachable_clicks.occurred_at between spans.begins_at and spans.ends_at
    group by
        spans.message_hash,
        spans.slot,
        spans.begins_at,
        spans.ends_at
    having count(distinct reachable_clicks.url) >= 3
),

burst_clicks as (
    select distinct
        reachable_clicks.message_hash,
        reachable_clicks.occurred_at
    from reachable_clicks
    inner join bursts
        on
            reachable_clicks.message_hash = bursts.message_hash
            and reachable_clicks.span_slot = bursts.slot
            and reachable_clicks.occurred_at between bursts.begins_at and bursts.ends_at
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

-- All clicks of a message at one instant are alike: too fast, in a burst, or neither.
reasoned as (
    select
        engagements.*,
        case
            when engagements.is_flagged then 'provider_flag'
            when machine_user_agents.user_agent is not null then 'user_agent'
            when fast_clicks.message_hash is not null then 'too_fast'
            when burst_clicks.message_hash is not null then 'burst'
        end as machine_reason
    from engagements
    left join machine_user_agents
        on engagements.user_agent = machine_user_agents.user_agent
    left join fast_clicks
        on
            engagements.event_type = 'click'
            and engagements.message_hash = fast_clicks.message_hash
            and engagements.occurred_at = fast_clicks.occurred_at
    left join burst_clicks
        on
            engagements.event_type = 'click'
            and engagements.message_hash = burst_clicks.message_hash
            and engagements.occurred_at = burst_clicks.occurred_at
),

final as (
    select
        reasoned.profile_key,
        reasoned.event_type,
        reasoned.message_id,
        {{ message_key('reasoned', 'profiles') }} as message_key,
        reasoned.message_hash,
        reasoned.campaign_id,
        reasoned.url,
        reasoned.machine_reason is null as is_human,
        reasoned.machine_reason,
        reasoned.occurred_at
    from reasoned
    inner join profiles on reasoned.profile_key = profiles.profile_key
)

select * from final
