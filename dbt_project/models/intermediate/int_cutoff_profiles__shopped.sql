{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={
            'replaces': {'cutoff_at, profile_key': 'int_cutoff_profiles__due'},
            'keeps': {'cutoff_at': 'int_cutoffs__listed'}
        }
    )
}}
{#- Orders as they stood at the cutoff. -#}
{%- set order_windows = [30, 90, 365] %}
with

active as (
    select active.*
    from {{ ref('int_cutoff_profiles__active') }} as active
    {{ join_due(ref('int_cutoff_profiles__due'), 'active', 'active') }}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

orders as (
    select
        profiles.profile_key,
        versions.revenue_amount,
        versions.ordered_at,
        versions.known_from,
        versions.superseded_at
    from {{ ref('int_orders__versioned') }} as versions
    inner join profiles on versions.email = profiles.email
    where versions.is_order
),

final as (
    select
        active.cutoff_at,
        active.profile_key,
        {%- for days in order_windows %}
        count(
            case
                when {{ in_last_days('orders.ordered_at', days, 'active.cutoff_at') }}
                    then 1
            end
        ) as orders_last_{{ days }}_days,
        {%- endfor %}
        sum(
            case
                when {{ in_last_days('orders.ordered_at', 365, 'active.cutoff_at') }}
                    then orders.revenue_amount
            end
        ) as revenue_last_365_days,
        count(*) as lifetime_orders,
        max(orders.ordered_at) as last_order_at
    from active
    inner join orders
        on
            active.profile_key = orders.profile_key
            and orders.known_from <= active.cutoff_at
            and (
                orders.superseded_at is null
                or orders.superseded_at > active.cutoff_at
            )
    group by active.cutoff_at, active.profile_key
)

select * from final
