{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={
            'replaces': {'cutoff_at, profile_key': 'int_cutoff_profiles__judged'},
            'keeps': {'cutoff_at': 'int_cutoffs__listed'}
        }
    )
}}
with

active as (
    select
        active.*,
        {{ timestamp_add('hour', '24 * 30', 'active.cutoff_at') }} as horizon_at
    from {{ ref('int_cutoff_profiles__active') }} as active
    {{ join_due(ref('int_cutoff_profiles__judged'), 'active', 'active') }}
),

engagements as (
    select * from {{ ref('int_engagements__followed') }}
    where is_human
),

orders as (
    select * from {{ ref('int_orders__current') }}
    where is_order
),

activities as (
    select
        profile_key,
        occurred_at as active_at
    from engagements
    union all
    select
        profile_key,
        ordered_at as active_at
    from orders
),

stayed as (
    select distinct
        active.cutoff_at,
        active.profile_key
    from active
    inner join activities
        on
            active.profile_key = activities.profile_key
            and activities.active_at > active.cutoff_at
            and activities.active_at <= active.horizon_at
),

final as (
    select
        active.cutoff_at,
        active.profile_key,
        case
            when active.horizon_at <= {{ as_of() }} then stayed.profile_key is null
        end as is_churned
    from active
    left join stayed
        on
            active.cutoff_at = stayed.cutoff_at
            and active.profile_key = stayed.profile_key
)

select * from final
