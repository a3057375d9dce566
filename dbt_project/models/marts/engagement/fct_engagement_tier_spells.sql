-- noqa: disable=layout.indent
{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        on_schema_change='fail',
        meta={'replaces': {'profile_id': 'int_engagement_tiers__moved'}}
    )
}}
{%- set moved = ref('int_engagement_tiers__moved') %}
{%- set history -%}
    partition by profile_key
    order by changed_at
    range between unbounded preceding and current row
{%- endset -%}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
    {%- if continues_build() %}
    where profile_key in (select moved.profile_key from {{ moved }} as moved)
    {%- endif %}
),

tier_changes as (
    select * from {{ ref('int_engagement_tier_changes') }}
    where
        changed_at <= {{ as_of() }}
        {%- if continues_build() %}
        and profile_key in (select moved.profile_key from {{ moved }} as moved)
        {%- endif %}
),

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
    union all
    -- A history begins when the profile is first seen, mostly with nothing opened yet.
    select
        profile_key,
        {%- for tier, prefix in tiers_with_a_rule() %}
        0 as opened_{{ prefix }}_change,
        0 as clicked_{{ prefix }}_change,
        {%- endfor %}
        first_seen_at as changed_at
    from profiles
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
