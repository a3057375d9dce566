with

email_events as (
    select email, min(occurred_at) as first_seen_at
    from {{ ref('stg_email__events') }}
    where occurred_at <= {{ as_of() }}
    group by email
),

web_events as (
    select email, min(occurred_at) as first_seen_at
    from {{ ref('stg_web__events') }}
    where occurred_at <= {{ as_of() }} and email is not null
    group by email
),

orders as (
    select email, min(ordered_at) as first_seen_at
    from {{ ref('int_orders__versioned') }}
    group by email
),

contacts as (
    select email, min(least(updated_at, coalesce(created_at, updated_at))) as first_seen_at
    from {{ ref('int_contacts__versioned') }}
    where email is not null
    group by email
),

consents as (
    select email, min(recorded_at) as first_seen_at
    from {{ ref('stg_crm__consents') }}
    where recorded_at <= {{ as_of() }}
    group by email
),

observed as (
    select * from email_events
    union all
    select * from web_events
    union all
    select * from orders
    union all
    select * from contacts
    union all
    select * from consents
),

addresses as (
    select
        email,
        min(first_seen_at) as first_seen_at
    from observed
    group by email
),

final as (
    select
        addresses.email,
        addresses.first_seen_at
    from addresses
    left join {{ ref('int_addresses__erased') }} as erased on addresses.email = erased.email
    where
        {{ is_valid_email('addresses.email') }}
        and erased.email is null
)

select * from final
