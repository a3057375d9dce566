{%- set segments_with_scores = [] -%}
{%- for segment in segments() if uses_scores(segment) -%}
    {%- do segments_with_scores.append(segment.name) -%}
{%- endfor %}
with

members as (
    select * from {{ ref('fct_segment_members') }}
),

profiles as (
    select * from {{ ref('sync_profiles') }}
),

resolved as (
    select * from {{ ref('int_profiles__resolved') }}
),

permitted as (
    select * from {{ ref('int_profiles__permitted') }}
),

final as (
    select
        members.segment,
        members.profile_id,
        profiles.email,
        members.attribute
    from members
    inner join profiles on members.profile_id = profiles.profile_id
    inner join resolved on members.profile_id = resolved.profile_id
    inner join permitted on resolved.profile_key = permitted.profile_key
    where
        permitted.scores_may_be_delivered
        {%- for name in segments_with_scores %}
        {{ "or members.segment not in (" if loop.first }}
        {{- "'" ~ name ~ "'" }}{{ ", " if not loop.last else ")" }}
        {%- else %}
        or true
        {%- endfor %}
)

select * from final
