{{ config(materialized='view') }}
with

engagements as (
    select * from {{ ref('int_email_events__classified') }}
),

others as (
    select * from {{ ref('int_email_events__deduplicated') }}
    where event_type not in ('open', 'click')
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

events as (
    select
        profile_key,
        event_type,
        message_id,
        campaign_id,
        url,
        is_human,
        machine_reason,
        occurred_at
    from engagements
    union all
    select
        profile_key,
        event_type,
        message_id,
        campaign_id,
        url,
        cast(null as boolean) as is_human,
        cast(null as {{ dbt.type_string() }}) as machine_reason,
        occurred_at
    from others
),

final as (
    select
        {{ email_event_id('events', 'profiles') }} as email_event_id,
        profiles.profile_id,
        events.event_type,
        events.message_id,
        {{ message_key('events', 'profiles') }} as message_key,
        events.campaign_id,
        events.url,
        events.is_human,
        events.machine_reason,
        events.occurred_at
    from events
    inner join profiles on events.profile_key = profiles.profile_key
)

select * from final
