{{ config(materialized='view') }}
with

engagements as (
    select * from {{ ref('int_email_events__classified') }}
),

others as (
    select * from {{ ref('int_email_events__deduplicated') }}
    where event_type not in ('open', 'click')
),

final as (
    select
        email_event_id,
        profile_id,
        event_type,
        message_id,
        message_key,
        campaign_id,
        url,
        is_human,
        machine_reason,
        occurred_at
    from engagements
    union all
    select
        email_event_id,
        profile_id,
        event_type,
        message_id,
        message_key,
        campaign_id,
        url,
        cast(null as boolean) as is_human,
        cast(null as {{ dbt.type_string() }}) as machine_reason,
        occurred_at
    from others
)

select * from final
