-- noqa: disable=layout.indent
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
-- depends_on: {{ ref('int_cutoff_profiles__due') }}
-- depends_on: {{ ref('int_cutoffs__listed') }}
with

cutoffs as (
    {%- if continues_build() %}
    select * from {{ ref('int_cutoff_profiles__due') }}
    {%- else %}
    select * from {{ ref('int_cutoffs__listed') }}
    {%- endif %}
),

engagements as (
    select * from {{ ref('int_engagements__followed') }}
    where is_human
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

orders as (
    select * from {{ ref('int_orders__versioned') }}
    where is_order
),

-- What counts as being active is known at the cutoff: an order as it stood then.
activities as (
    select
        profile_key,
        occurred_at as active_at,
        occurred_at as known_from,
        cast(null as timestamp) as superseded_at
    from engagements
    union all
    select
        profiles.profile_key,
        orders.ordered_at as active_at,
        orders.known_from,
        orders.superseded_at
    from orders
    inner join profiles on orders.email = profiles.email
),

final as (
    select distinct
        cutoffs.cutoff_at,
        activities.profile_key
    from cutoffs
    inner join activities
        on
            {{ in_last_days('activities.active_at', 60, 'cutoffs.cutoff_at') }}
            and activities.active_at <= cutoffs.cutoff_at
            and activities.known_from <= cutoffs.cutoff_at
            and (
                activities.superseded_at is null
                or activities.superseded_at > cutoffs.cutoff_at
            )
            {%- if continues_build() %}
            and activities.profile_key = cutoffs.profile_key
            {%- endif %}
)

select * from final
