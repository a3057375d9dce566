with

rows_left_out as (
    select * from {{ ref('int_rows__quarantined') }}
),

orders as (
    select * from {{ ref('int_orders__versioned') }}
    where not has_valid_email
),

contacts as (
    select * from {{ ref('int_contacts__versioned') }}
    where not has_valid_email
),

erasure_requests as (
    select * from {{ ref('stg_crm__erasure_requests') }}
    where requested_at <= {{ as_of() }} and not {{ is_valid_email('email') }}
),

left_out as (
    select
        source_table,
        source_key,
        occurred_at
    from rows_left_out
    union all
    select
        'orders' as source_table,
        order_id as source_key,
        ordered_at as occurred_at
    from orders
    union all
    select
        'contacts' as source_table,
        contact_id as source_key,
        updated_at as occurred_at
    from contacts
    union all
    select
        'erasure_requests' as source_table,
        {{ keyed_hash('email') }} as source_key,
        requested_at as occurred_at
    from erasure_requests
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
