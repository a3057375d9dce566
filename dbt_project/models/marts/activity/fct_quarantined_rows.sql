with

addresses as (
    select * from {{ ref('int_addresses__normalised') }}
),

email_events as (
    select
        'email_events' as source_table,
        events.event_id as source_key,
        events.occurred_at
    from {{ ref('stg_email__events') }} as events
    inner join addresses on events.written_email = addresses.written_email
    where events.occurred_at <= {{ as_of() }} and not addresses.is_valid
),

-- Of web events only those are left out that have no visitor either.
web_events as (
    select
        'web_events' as source_table,
        events.event_id as source_key,
        events.occurred_at
    from {{ ref('stg_web__events') }} as events
    left join addresses
        on events.written_email = addresses.written_email and addresses.is_valid
    where
        events.occurred_at <= {{ as_of() }}
        and events.anonymous_id is null
        and addresses.written_email is null
),

orders as (
    select
        'orders' as source_table,
        order_id as source_key,
        email,
        ordered_at as occurred_at
    from {{ ref('int_orders__versioned') }}
),

contacts as (
    select
        'contacts' as source_table,
        contact_id as source_key,
        email,
        updated_at as occurred_at
    from {{ ref('int_contacts__versioned') }}
),

-- A row without an id of its own is called by a keyed hash of its address: the address
-- itself has no place outside its own tables.
consents as (
    select
        'consents' as source_table,
        {{ keyed_hash('email') }} as source_key,
        email,
        recorded_at as occurred_at
    from {{ ref('stg_crm__consents') }}
    where recorded_at <= {{ as_of() }}
),

erasure_requests as (
    select
        'erasure_requests' as source_table,
        {{ keyed_hash('email') }} as source_key,
        email,
        requested_at as occurred_at
    from {{ ref('stg_crm__erasure_requests') }}
    where requested_at <= {{ as_of() }}
),

addressed as (
    select * from orders
    union all
    select * from contacts
    union all
    select * from consents
    union all
    select * from erasure_requests
),

left_out as (
    select
        source_table,
        source_key,
        occurred_at
    from addressed
    where not {{ is_valid_email('email') }}
    union all
    select
        source_table,
        source_key,
        occurred_at
    from email_events
    union all
    select
        source_table,
        source_key,
        occurred_at
    from web_events
),

final as (
    select
        source_table,
        source_key,
        'invalid_email' as reason,
        occurred_at
    from left_out
)

select * from final
