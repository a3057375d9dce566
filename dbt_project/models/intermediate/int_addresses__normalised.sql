{{ config(materialized='incremental', incremental_strategy=continued_strategy()) }}
{#-
    There are far fewer addresses than events: to normalise each once and to look it up by
    its text is cheaper than to do so for each event.
-#}
with

in_email_events as (
    select * from {{ ref('int_addresses__written') }}
),

in_web_events as (
    select * from {{ ref('int_visitors__written') }}
    where written_email is not null
),

written as (
    select written_email from in_email_events
    union distinct
    select written_email from in_web_events
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
