{{ config(materialized='view') }}
with

events as (
    select * from {{ ref('int_email_events__deduplicated') }}
    where
        event_type in ('sent', 'delivered')
        and {{ in_last_days('occurred_at', 30) }}
),

final as (
    select distinct profile_key from events
)

select * from final
