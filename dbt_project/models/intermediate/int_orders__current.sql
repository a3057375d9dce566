{%- set currency = var('reporting_currency') -%}
{%- set currency = 'null' if currency is none else dbt.string_literal(currency) -%}
{%- set reporting_currency = 'cast(' ~ currency ~ ' as ' ~ dbt.type_string() ~ ')' -%}
with

orders as (
    select * from {{ ref('int_orders__versioned') }}
    where superseded_at is null
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

rates as (
    select * from {{ ref('currency_rates') }}
    where reporting_currency = {{ reporting_currency }}
),

final as (
    select
        orders.order_id,
        profiles.profile_id,
        profiles.profile_key,
        orders.status,
        orders.is_order,
        orders.currency,
        orders.total_amount,
        -- Null where there is no rate: such an order counts, its amount does not.
        case
            when
                {{ reporting_currency }} is null
                or orders.currency = {{ reporting_currency }}
                then orders.total_amount
            else cast(round(orders.total_amount * rates.rate, 2) as decimal(18, 2))
        end as revenue_amount,
        orders.ordered_at,
        orders.updated_at
    from orders
    inner join profiles on orders.email = profiles.email
    left join rates on orders.currency = rates.currency
)

select * from final
