{#-
    The id of a row is what its source calls it; where it has none, a keyed hash of the address, as
    the address itself has no place outside its own tables.
-#}
with

email_events as (
    select
        'email_events' as source_table,
        event_id as source_key,
        'invalid_email' as reason,
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
        'invalid_email' as reason,
        occurred_at
    from {{ ref('stg_web__events') }}
    where occurred_at <= {{ as_of() }} and anonymous_id is null and email is null
),

orders as (
    select
        'orders' as source_table,
        order_id as source_key,
        'invalid_email' as reason,
        email,
        ordered_at as occurred_at
    from {{ ref('int_orders__versioned') }}
),

contacts as (
    select
        'contacts' as source_table,
        contact_id as source_key,
        'invalid_email' as reason,
        email,
        updated_at as occurred_at
    from {{ ref('int_contacts__versioned') }}
    where email is not null
),

consents as (
    select
        'consents' as source_table,
        {{ keyed_hash('email') }} as source_key,
        'invalid_email' as reason,
        email,
        recorded_at as occurred_at
    from {{ ref('stg_crm__consents') }}
    where recorded_at <= {{ as_of() }}
),

erasure_requests as (
    select
        'erasure_requests' as source_table,
        {{ keyed_hash('email') }} as source_key,
        'invalid_email' as reason,
        email,
        requested_at as occurred_at
    from {{ ref('stg_crm__erasure_requests') }}
    where requested_at <= {{ as_of() }}
),

addressed as (
    {%- for name in ['email_events', 'orders', 'contacts', 'consents', 'erasure_requests'] %}
    select source_table, source_key, reason, occurred_at
    from {{ name }}
    where not {{ is_valid_email('email') }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

final as (
    select source_table, source_key, reason, occurred_at from addressed
    union all
    select source_table, source_key, reason, occurred_at from web_events
)

select * from final
