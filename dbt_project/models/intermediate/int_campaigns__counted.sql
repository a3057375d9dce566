{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'campaign_id': 'int_campaigns__touched'}}
    )
}}
with

engagements as (
    select * from {{ ref('int_email_events__classified') }}
    where
        campaign_id is not null
        and {{ is_touched('campaign_id', ref('int_campaigns__touched')) }}
),

other_events as (
    select * from {{ ref('int_email_events__deduplicated') }}
    where
        campaign_id is not null
        and event_type not in ('open', 'click')
        and {{ is_touched('campaign_id', ref('int_campaigns__touched')) }}
),

-- Two people may have been sent one message id: each has a message of their own.
recipient_messages as (
    select
        campaign_id,
        event_type,
        count(*) as engagements,
        count(case when is_human then 1 end) as human_engagements
    from engagements
    group by campaign_id, event_type, profile_key, message_key
),

final as (
    select
        campaign_id,
        event_type,
        sum(engagements) as events,
        sum(human_engagements) as human_events,
        count(*) as messages,
        count(case when human_engagements > 0 then 1 end) as human_messages
    from recipient_messages
    group by campaign_id, event_type
    union all
    select
        campaign_id,
        event_type,
        count(*) as events,
        0 as human_events,
        0 as messages,
        0 as human_messages
    from other_events
    group by campaign_id, event_type
)

select * from final
