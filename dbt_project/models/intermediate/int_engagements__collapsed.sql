{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'message_hash': 'int_messages__touched'}}
    )
}}
with

engagements as (
    select
        *,
        case when event_type = 'click' then url end as clicked_url
    from {{ ref('int_email_events__classified') }}
    where {{ is_touched('message_hash', ref('int_messages__touched')) }}
),

final as (
    select
        profile_key,
        event_type,
        message_key,
        message_hash,
        clicked_url as url,
        min(case when is_human then occurred_at end) as first_human_at,
        max(case when is_human then occurred_at end) as last_human_at,
        max(case when not is_human then occurred_at end) as last_machine_at,
        max(occurred_at) as last_at
    from engagements
    group by profile_key, event_type, message_key, message_hash, clicked_url
)

select * from final
