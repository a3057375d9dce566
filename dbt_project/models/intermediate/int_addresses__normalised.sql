{{ config(materialized='incremental', incremental_strategy=continued_strategy()) }}
{#-
    There are far fewer addresses than events: to normalise each once and to look it up by
    its text is cheaper than to do so for each event.
-#}
with

email_events as (
    select * from {{ ref('stg_email__events') }}
    {%- if continues_build() %}
    where {{ has_arrived('email_events', []) }}
    {%- endif %}
),

web_events as (
    select * from {{ ref('stg_web__events') }}
    {%- if continues_build() %}
    where {{ has_arrived('web_events', []) }}
    {%- endif %}
),

written as (
    select written_email from email_events
    where written_email is not null
    group by written_email
    union distinct
    select written_email from web_events
    where written_email is not null
    group by written_email
),

normalised as (
    select
        written_email,
        {{ normalise_email('written_email') }} as email
    from written
    {%- if continues_build() %}
    where written_email not in (select known.written_email from {{ this }} as known)
    {%- endif %}
),

final as (
    select
        written_email,
        email,
        {{ is_valid_email('email') }} as is_valid
    from normalised
)

select * from final
