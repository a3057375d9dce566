{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        unique_key=['source_table', 'loaded_minute', 'occurred_at']
    )
}}
{#-
    A row that came twice is left out twice. What arrives again, arrives with all rows of its
    minute of loading and its instant: they take the place of what stood here of both.
-#}
with

addresses as (
    select * from {{ ref('int_addresses__normalised') }}
),

arrived_email_events as (
    {{ arrived_rows(ref('stg_email__events'), 'email_events', ['occurred_at']) }}
),

arrived_web_events as (
    {{ arrived_rows(ref('stg_web__events'), 'web_events', ['occurred_at']) }}
),

arrived_consents as (
    {{ arrived_rows(ref('stg_crm__consents'), 'consents', ['recorded_at']) }}
),

email_events as (
    select
        'email_events' as source_table,
        events.event_id as source_key,
        events.occurred_at,
        events.loaded_at
    from arrived_email_events as events
    inner join addresses on events.written_email = addresses.written_email
    where not addresses.is_valid
),

-- Of web events only those are left out that have no visitor either.
web_events as (
    select
        'web_events' as source_table,
        events.event_id as source_key,
        events.occurred_at,
        events.loaded_at
    from arrived_web_events as events
    left join addresses
        on events.written_email = addresses.written_email and addresses.is_valid
    where events.anonymous_id is null and addresses.written_email is null
),

-- A row without an id of its own is called by a keyed hash of its address: the address
-- itself has no place outside its own tables.
consents as (
    select
        'consents' as source_table,
        {{ keyed_hash('email') }} as source_key,
        recorded_at as occurred_at,
        loaded_at
    from arrived_consents
    where not {{ is_valid_email('email') }}
),

left_out as (
    select * from email_events
    union all
    select * from web_events
    union all
    select * from consents
),

final as (
    select
        source_table,
        source_key,
        occurred_at,
        {{ loading_minute('loaded_at') }} as loaded_minute
    from left_out
    where occurred_at <= {{ as_of() }}
)

select * from final
