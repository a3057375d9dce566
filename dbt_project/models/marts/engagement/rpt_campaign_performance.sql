with

campaigns as (
    select * from {{ ref('int_campaigns__versioned') }}
    where is_newest
),

events as (
    select
        *,
        -- Two people may have been sent one message id.
        profile_id || message_key as recipient_message
    from {{ ref('fct_email_events') }}
    where campaign_id is not null
),

measured as (
    select
        campaign_id,
        count(case when event_type = 'sent' then 1 end) as sent,
        count(case when event_type = 'delivered' then 1 end) as delivered,
        {%- for event_type, measure in [('open', 'opens'), ('click', 'clicks')] %}
        {%- set is_it = "event_type = '" ~ event_type ~ "'" %}
        count(case when {{ is_it }} then 1 end) as {{ measure }}_total,
        count(distinct case when {{ is_it }} then recipient_message end)
            as {{ measure }}_unique,
        count(case when {{ is_it }} and is_human then 1 end) as {{ measure }}_human,
        count(distinct case when {{ is_it }} and is_human then recipient_message end)
            as {{ measure }}_human_unique,
        count(case when {{ is_it }} and not is_human then 1 end)
            as {{ measure }}_machine,
        {%- endfor %}
        count(case when event_type = 'bounce' then 1 end) as bounces,
        count(case when event_type = 'complaint' then 1 end) as complaints,
        count(case when event_type = 'unsubscribe' then 1 end) as unsubscribes
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
