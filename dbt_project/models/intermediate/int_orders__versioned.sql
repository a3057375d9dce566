{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'order_id': 'int_orders__touched'}}
    )
}}
{%- set currency = var('reporting_currency') -%}
{%- set currency = 'null' if currency is none else dbt.string_literal(currency) -%}
{%- set reporting_currency = 'cast(' ~ currency ~ ' as ' ~ dbt.type_string() ~ ')' -%}
with

orders as (
    select * from {{ ref('stg_commerce__orders') }}
    where
        ordered_at <= {{ as_of() }}
        and updated_at <= {{ as_of() }}
        and {{ is_touched('order_id', ref('int_orders__touched')) }}
),

erased_addresses as (
    select * from {{ ref('int_addresses__erased') }}
),

rates as (
    select * from {{ ref('currency_rates') }}
    where reporting_currency = {{ reporting_currency }}
),

erased_orders as (
    select distinct orders.order_id
    from orders
    inner join erased_addresses on orders.email = erased_addresses.email
),

retained as (
    select
        orders.*,
        -- A version is known from the later of its own time and that of its order.
        greatest(orders.ordered_at, orders.updated_at) as known_from
    from orders
    left join erased_orders on orders.order_id = erased_orders.order_id
    where erased_orders.order_id is null
),

-- A version is out of date as soon as any newer one is known, not only the next.
superseded as (
    select
        *,
        min(known_from) over (
            partition by order_id
            order by
                updated_at,
                email nulls first,
                ordered_at,
                status nulls first,
                currency nulls first,
                total_amount
            rows between 1 following and unbounded following
        ) as superseded_at
    from retained
),

final as (
    select
        superseded.order_id,
        superseded.email,
        {{ is_valid_email('superseded.email') }} as has_valid_email,
        coalesce(superseded.status, 'placed') as status,
        coalesce(superseded.status, 'placed') in ('placed', 'paid') as is_order,
        superseded.currency,
        superseded.total_amount,
        -- Null where there is no rate: such an order counts, its amount does not.
        case
            when
                {{ reporting_currency }} is null
                or superseded.currency = {{ reporting_currency }}
                then superseded.total_amount
            else cast(round(superseded.total_amount * rates.rate, 2) as decimal(18, 2))
        end as revenue_amount,
        superseded.ordered_at,
        superseded.updated_at,
        superseded.known_from,
        superseded.superseded_at
    from superseded
    left join rates on superseded.currency = rates.currency
)

select * from final
