-- noqa: disable=layout.indent
with

campaigns as (
    select * from {{ ref('int_campaigns__versioned') }}
    where is_newest
),

engagements as (
    select * from {{ ref('int_email_events__classified') }}
    where campaign_id is not null
),

other_events as (
    select * from {{ ref('int_email_events__deduplicated') }}
    where campaign_id is not null and event_type not in ('open', 'click')
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

counted as (
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
),

measured as (
    select
        campaign_id,
        {%- for event_type, measure in [('open', 'opens'), ('click', 'clicks')] %}
        {%- for column, suffix in [
            ('events', 'total'),
            ('messages', 'unique'),
            ('human_events', 'human'),
            ('human_messages', 'human_unique'),
            ('events - human_events', 'machine'),
        ] %}
        cast(
            sum(case when event_type = '{{ event_type }}' then {{ column }} else 0 end)
            as {{ dbt.type_bigint() }}
        ) as {{ measure }}_{{ suffix }},
        {%- endfor %}
        {%- endfor %}
        {%- for event_type, measure in [
            ('sent', 'sent'),
            ('delivered', 'delivered'),
            ('bounce', 'bounces'),
            ('complaint', 'complaints'),
            ('unsubscribe', 'unsubscribes'),
        ] %}
        cast(
            sum(case when event_type = '{{ event_type }}' then events else 0 end)
            as {{ dbt.type_bigint() }}
        ) as {{ measure }}{{ "," if not loop.last }}
        {%- endfor %}
    from counted
    group by campaign_id
),

final as (
    select
        coalesce(campaigns.campaign_id, measured.campaign_id) as campaign_id,
        campaigns.name,
        campaigns.subject,
        campaigns.category,
        coalesce(measured.sent, 0) as sent,
        coalesce(measured.delivered, 0) as delivered,
        coalesce(measured.bounces, 0) as bounces,
        coalesce(measured.complaints, 0) as complaints,
        coalesce(measured.unsubscribes, 0) as unsubscribes,
        coalesce(measured.opens_total, 0) as opens_total,
        coalesce(measured.opens_unique, 0) as opens_unique,
        coalesce(measured.opens_human, 0) as opens_human,
        coalesce(measured.opens_human_unique, 0) as opens_human_unique,
        coalesce(measured.opens_machine, 0) as opens_machine,
        coalesce(measured.clicks_total, 0) as clicks_total,
        coalesce(measured.clicks_unique, 0) as clicks_unique,
        coalesce(measured.clicks_human, 0) as clicks_human,
        coalesce(measured.clicks_human_unique, 0) as clicks_human_unique,
        coalesce(measured.clicks_machine, 0) as clicks_machine,
        campaigns.sent_at
    from campaigns
    full outer join measured on campaigns.campaign_id = measured.campaign_id
)

select * from final
