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
with

active as (
    select
        active.*,
        {{ window_beginnings('active.cutoff_at', [365]) }},
        {{ timestamp_add('second', -10, 'active.cutoff_at') }} as settled_at
    from {{ ref('int_cutoff_profiles__active') }} as active
    {{ join_due(ref('int_cutoff_profiles__due'), 'active', 'active') }}
),

email_engagements as (
    select * from {{ ref('int_engagements__followed') }}
    where is_human
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

orders as (
    select
        profiles.profile_key,
        versions.ordered_at,
        versions.known_from,
        versions.superseded_at
    from {{ ref('int_orders__versioned') }} as versions
    inner join profiles on versions.email = profiles.email
    where versions.is_order
),

-- Days on which the person opened, clicked or ordered.
activities as (
    select
        active.cutoff_at,
        active.profile_key,
        events.occurred_at
    from active
    inner join email_engagements as events
        on
            active.profile_key = events.profile_key
            and events.occurred_at <= active.settled_at
            and events.occurred_at > active.last_365_days_begin
    union all
    select
        active.cutoff_at,
        active.profile_key,
        orders.ordered_at as occurred_at
    from active
    inner join orders
        on
            active.profile_key = orders.profile_key
            and orders.known_from <= active.cutoff_at
            and (
                orders.superseded_at is null
                or orders.superseded_at > active.cutoff_at
            )
            and orders.ordered_at > active.last_365_days_begin
),

active_days as (
    select
        cutoff_at,
        profile_key,
        cast(occurred_at as date) as active_date,
        max(occurred_at) as last_active_at
    from activities
    group by cutoff_at, profile_key, cast(occurred_at as date)
),

final as (
    select
        cutoff_at,
        profile_key,
        count(*) as active_days_last_365_days,
        max(last_active_at) as last_active_at
    from active_days
    group by cutoff_at, profile_key
)

select * from final
