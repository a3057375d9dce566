-- noqa: disable=layout.indent
{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        unique_key=['email']
    )
}}
with

written as (
    select * from {{ ref('int_addresses__written') }}
),

normalised as (
    select * from {{ ref('int_addresses__normalised') }}
),

visitors as (
    select * from {{ ref('int_visitors__observed') }}
    where email is not null
),

orders as (
    select * from {{ ref('int_orders__versioned') }}
),

contacts as (
    select * from {{ ref('int_contacts__versioned') }}
    where email is not null
),

consents as (
    select * from {{ ref('stg_crm__consents') }}
    where recorded_at <= {{ as_of() }}
),

erased_addresses as (
    select * from {{ ref('int_addresses__erased') }}
),

observed as (
    select
        normalised.email,
        min(written.first_written_at) as first_seen_at
    from written
    inner join normalised on written.written_email = normalised.written_email
    group by normalised.email
    union all
    select
        email,
        min(first_seen_at) as first_seen_at
    from visitors
    group by email
    union all
    select
        email,
        min(ordered_at) as first_seen_at
    from orders
    group by email
    union all
    select
        email,
        min(least(updated_at, coalesce(created_at, updated_at))) as first_seen_at
    from contacts
    group by email
    union all
    select
        email,
        min(recorded_at) as first_seen_at
    from consents
    group by email
    {%- if continues_build() %}
    union all
    select
        email,
        first_seen_at
    from {{ this }}
    {%- endif %}
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
    left join erased_addresses on addresses.email = erased_addresses.email
    where
        {{ is_valid_email('addresses.email') }}
        and erased_addresses.email is null
        {%- if continues_build() %}
        and not exists (
            select 1 from {{ this }} as known
            where
                addresses.email = known.email
                and addresses.first_seen_at = known.first_seen_at
        )
        {%- endif %}
)

select * from final
