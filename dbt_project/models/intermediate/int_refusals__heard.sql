{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        unique_key=['email', 'event_type']
    )
}}
{#-
    Refusals in the raw tables, of whatever time and copy. Once heard they stay, so what has
    arrived is added to what stood here.
-#}
with

events as (
    {{ arrived_rows(ref('stg_email__events'), 'email_events', ['occurred_at']) }}
),

newly_heard as (
    select
        email,
        event_type,
        max(occurred_at) as heard_at
    from events
    where {{ is_refusal() }}
    group by email, event_type
),

heard as (
    select * from newly_heard
    {%- if continues_build() %}
    union all
    select * from {{ this }}
    where email in (select newly_heard.email from newly_heard)
    {%- endif %}
),

final as (
    select
        email,
        event_type,
        max(heard_at) as heard_at
    from heard
    group by email, event_type
)

select * from final
