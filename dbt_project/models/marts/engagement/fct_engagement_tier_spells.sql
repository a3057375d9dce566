-- noqa: disable=layout.indent
{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        on_schema_change='fail',
        meta={
            'replaces': {'profile_id': 'int_engagement_tiers__moved'},
            'since': 'valid_to'
        }
    )
}}
{#-
    Where a build goes on, a history is taken up in the stretch in which it stood when the
    first change came: all before that stays.
-#}
{%- set moved = ref('int_engagement_tiers__moved') %}
{%- set history -%}
    partition by profile_key
    order by changed_at
    range between unbounded preceding and current row
{%- endset -%}
with

profiles as (
    select profiles.*
    from {{ ref('int_profiles__resolved') }} as profiles
    {{ join_touched('profiles', moved) }}
),

tier_changes as (
    select tier_changes.*
    from {{ ref('int_engagement_tier_changes') }} as tier_changes
    {{ join_touched('tier_changes', moved, since='tier_changes.changed_at') }}
),

{% if continues_build() -%}
-- What begins ends as well: before an instant there are as many as end after it.
standing as (
    select
        profile_key,
        {%- for tier, prefix in tiers_with_a_rule() %}
        -sum(opened_{{ prefix }}_change) as opened_{{ prefix }},
        -sum(clicked_{{ prefix }}_change) as clicked_{{ prefix }}
        {{- "," if not loop.last }}
        {%- endfor %}
    from tier_changes
    group by profile_key
),

stretches as (
    select
        spells.profile_id,
        spells.valid_from
    from {{ this }} as spells
    {{ join_touched('spells', moved, since='spells.valid_to', key='profile_id') }}
    where spells.valid_from < touched.changed_from
),

beginnings as (
    select
        profiles.profile_key,
        {%- for tier, prefix in tiers_with_a_rule() %}
        coalesce(standing.opened_{{ prefix }}, 0) as opened_{{ prefix }},
        coalesce(standing.clicked_{{ prefix }}, 0) as clicked_{{ prefix }},
        {%- endfor %}
        coalesce(stretches.valid_from, profiles.first_seen_at) as begins_at
    from profiles
    left join standing on profiles.profile_key = standing.profile_key
    left join stretches on profiles.profile_id = stretches.profile_id
),
{%- else -%}
-- A history begins when the profile is first seen, mostly with nothing opened yet.
beginnings as (
    select
        profile_key,
        {%- for tier, prefix in tiers_with_a_rule() %}
        0 as opened_{{ prefix }},
        0 as clicked_{{ prefix }},
        {%- endfor %}
        first_seen_at as begins_at
    from profiles
),
{%- endif %}

rules as (
    select * from {{ ref('int_tier_rules__pivoted') }}
),

changes as (
    select
        profile_key,
        {%- for tier, prefix in tiers_with_a_rule() %}
        opened_{{ prefix }}_change,
        clicked_{{ prefix }}_change,
        {%- endfor %}
        changed_at
    from tier_changes
    where changed_at <= {{ as_of() }}
    union all
    select
        profile_key,
        {%- for tier, prefix in tiers_with_a_rule() %}
        opened_{{ prefix }} as opened_{{ prefix }}_change,
        clicked_{{ prefix }} as clicked_{{ prefix }}_change,
        {%- endfor %}
        begins_at as changed_at
    from beginnings
),

counts as (
    select
        profile_key,
        {%- for tier, prefix in tiers_with_a_rule() %}
        sum(opened_{{ prefix }}_change) over ({{ history }}) as opened_{{ prefix }},
        sum(clicked_{{ prefix }}_change) over ({{ history }}) as clicked_{{ prefix }},
        {%- endfor %}
        changed_at
    from changes
),

tiers as (
    select
        counts.profile_key,
        {{ engagement_tier('counts.clicked_{}', 'counts.opened_{}') }}
            as engagement_tier,
        counts.changed_at
    from counts
    cross join rules
),

-- Rows of one instant have the same sums, so it is all one which of them comes first.
compared as (
    select
        *,
        lag(engagement_tier) over (partition by profile_key order by changed_at)
            as previous_tier
    from tiers
),

starts as (
    select
        *,
        lead(changed_at) over (partition by profile_key order by changed_at)
            as next_changed_at
    from compared
    where previous_tier is null or previous_tier <> engagement_tier
),

final as (
    select
        profiles.profile_id,
        starts.engagement_tier,
        starts.changed_at as valid_from,
        starts.next_changed_at as valid_to
    from starts
    inner join profiles on starts.profile_key = profiles.profile_key
)

select * from final
