-- noqa: disable=layout.indent
with

campaigns as (
    select * from {{ ref('int_campaigns__versioned') }}
    where is_newest
),

counted as (
    select * from {{ ref('int_campaigns__counted') }}
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
