with

events as (
    select * from {{ ref('int_email_events__deduplicated') }}
    where event_type in ('open', 'click')
),

-- Patterns meet each user agent once, not each event.
user_agents as (
    select distinct user_agent from events
    where user_agent is not null
),

machine_user_agents as (
    select distinct user_agents.user_agent
    from user_agents
    inner join {{ ref('machine_user_agents') }} as known
        on {{ matches_pattern('lower(user_agents.user_agent)', 'known.pattern') }}
),

message_clicks as (
    select
        email_event_id,
        profile_key,
        message_id,
        url,
        occurred_at
    from events
    where event_type = 'click' and message_id is not null
),

first_deliveries as (
    select
        profile_key,
        message_id,
        min(occurred_at) as delivered_at
    from {{ ref('int_email_events__deduplicated') }}
    where event_type = 'delivered' and message_id is not null
    group by profile_key, message_id
),

fast_clicks as (
    select message_clicks.email_event_id
    from message_clicks
    inner join first_deliveries
        on
            message_clicks.profile_key = first_deliveries.profile_key
            and message_clicks.message_id = first_deliveries.message_id
    where
        message_clicks.occurred_at >= first_deliveries.delivered_at
        and message_clicks.occurred_at < {{ timestamp_add('second', 2, 'first_deliveries.delivered_at') }}
),

-- Only a message with clicks on three links can hold a burst.
burst_suspects as (
    select
        profile_key,
        message_id
    from message_clicks
    group by profile_key, message_id
    having count(distinct url) >= 3
),

suspect_clicks as (
    select message_clicks.*
    from message_clicks
    inner join burst_suspects
        on
            message_clicks.profile_key = burst_suspects.profile_key
            and message_clicks.message_id = burst_suspects.message_id
),

-- A closed span of 10 s that holds a burst can be moved until it begins with one of its clicks.
burst_starts as (
    select
        starts.profile_key,
        starts.message_id,
        starts.occurred_at
    from (select distinct profile_key, message_id, occurred_at from suspect_clicks) as starts
    inner join (select distinct profile_key, message_id, url, occurred_at from suspect_clicks) as inside
        on
            starts.profile_key = inside.profile_key
            and starts.message_id = inside.message_id
            and inside.occurred_at >= starts.occurred_at
            and inside.occurred_at <= {{ timestamp_add('second', 10, 'starts.occurred_at') }}
    group by starts.profile_key, starts.message_id, starts.occurred_at
    having count(distinct inside.url) >= 3
),

burst_clicks as (
    select distinct suspect_clicks.email_event_id
    from suspect_clicks
    inner join burst_starts
        on
            suspect_clicks.profile_key = burst_starts.profile_key
            and suspect_clicks.message_id = burst_starts.message_id
            and suspect_clicks.occurred_at >= burst_starts.occurred_at
            and suspect_clicks.occurred_at <= {{ timestamp_add('second', 10, 'burst_starts.occurred_at') }}
),

reasoned as (
    select
        events.*,
        case
            when events.is_flagged then 'provider_flag'
            when machine_user_agents.user_agent is not null then 'user_agent'
            when fast_clicks.email_event_id is not null then 'too_fast'
            when burst_clicks.email_event_id is not null then 'burst'
        end as machine_reason
    from events
    left join machine_user_agents on events.user_agent = machine_user_agents.user_agent
    left join fast_clicks on events.email_event_id = fast_clicks.email_event_id
    left join burst_clicks on events.email_event_id = burst_clicks.email_event_id
),

final as (
    select
        email_event_id,
        profile_id,
        profile_key,
        event_type,
        message_id,
        message_key,
        campaign_id,
        url,
        machine_reason is null as is_human,
        machine_reason,
        occurred_at
    from reasoned
)

select * from final
