with

email_events as (
    select
        'email_events' as source_table,
        event_id as source_key,
        email,
        occurred_at
    from {{ ref('stg_email__events') }}
    where occurred_at <= {{ as_of() }}
),

-- Of web events only those are left out that have no visitor either.
web_events as (
    select
        'web_events' as source_table,
        event_id as source_key,
        occurred_at
    from {{ ref('stg_web__events') }}
    where occurred_at <= {{ as_of() }} and anonymous_id is null and email is null
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
    select * from email_events
    union all
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
