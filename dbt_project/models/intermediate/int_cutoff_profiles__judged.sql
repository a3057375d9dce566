-- noqa: disable=layout.indent
{#
    Pairs of cutoff and profile whose churn a build that goes on judges anew: those that are
    due, those that something came to within the horizon, and those whose horizon has passed
    since the last finished build.
#}
with

active as (
    select
        *,
        {{ timestamp_add('hour', '24 * 30', 'cutoff_at') }} as horizon_at
    from {{ ref('int_cutoff_profiles__active') }}
),

touched as (
    select * from {{ ref('int_profiles__touched') }}
),

final as (
    select
        cutoff_at,
        profile_key
    from {{ ref('int_cutoff_profiles__due') }}
    union distinct
    select
        active.cutoff_at,
        active.profile_key
    from active
    inner join touched
        on
            active.profile_key = touched.profile_key
            and active.horizon_at >= touched.changed_from
    union distinct
    select
        cutoff_at,
        profile_key
    from active
    where
        {%- if continues_build() %}
        horizon_at > {{ last_as_of() }}
        and horizon_at <= {{ as_of() }}
        {%- else %}
        false
        {%- endif %}
)

select * from final
