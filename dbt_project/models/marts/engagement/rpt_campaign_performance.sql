with

campaigns as (
    select * from {{ ref('int_campaigns__versioned') }}
    where is_newest
),

events as (
    select * from {{ ref('fct_email_events') }}
    where campaign_id is not null
),

measured as (
    select
        campaign_id,
        count(case when event_type = 'sent' then 1 end) as sent,
        count(case when event_type = 'delivered' then 1 end) as delivered,
        count(case when event_type = 'bounce' then 1 end) as bounces,
        count(case when event_type = 'complaint' then 1 end) as complaints,
        count(case when event_type = 'unsubscribe' then 1 end) as unsubscribes,
        {%- for event_type, measure in [('open', 'opens'), ('click', 'clicks')] %}
        count(case when event_type = '{{ event_type }}' then 1 end) as {{ measure }}_total,
        count(
            distinct case when event_type = '{{ event_type }}' then profile_id || message_key end
        ) as {{ measure }}_unique,
        count(case when event_type = '{{ event_type }}' and is_human then 1 end)
            as {{ measure }}_human,
        count(
            distinct case
                when event_type = '{{ event_type }}' and is_human then profile_id || message_key
            end
        ) as {{ measure }}_human_unique,
        count(case when event_type = '{{ event_type }}' and not is_human then 1 end)
            as {{ measure }}_machine{{ "," if not loop.last }}
        {%- endfor %}
    from events
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
        {%- for measure in ['opens', 'clicks'] %}
        coalesce(measured.{{ measure }}_total, 0) as {{ measure }}_total,
        coalesce(measured.{{ measure }}_unique, 0) as {{ measure }}_unique,
        coalesce(measured.{{ measure }}_human, 0) as {{ measure }}_human,
        coalesce(measured.{{ measure }}_human_unique, 0) as {{ measure }}_human_unique,
        coalesce(measured.{{ measure }}_machine, 0) as {{ measure }}_machine,
        {%- endfor %}
        campaigns.sent_at
    from campaigns
    full outer join measured on campaigns.campaign_id = measured.campaign_id
)

select * from final
