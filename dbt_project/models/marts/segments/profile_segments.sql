{#-
    All rules in one pass over the signals: each profile meets each segment's name once,
    and the name chooses the rule.
-#}
{%- set segments = segments() -%}
with

signals as (
    select * from {{ ref('profile_signals') }}
),

segments as (
    {%- for segment in segments %}
    select '{{ segment.name }}' as segment
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

evaluated as (
    select
        signals.profile_id,
        segments.segment,
        case segments.segment
            {%- for segment in segments %}
            when '{{ segment.name }}'
                then
                    ({{ segment.rule }})
                    {%- if uses_scores(segment) %}
                    and signals.may_be_profiled
                    {%- endif %}
            {%- endfor %}
        end as is_member,
        case segments.segment
            {%- for segment in segments if segment.attribute %}
            when '{{ segment.name }}'
                then cast({{ segment.attribute }} as {{ dbt.type_string() }})
            {%- endfor %}
        end as attribute
    from signals
    cross join segments
),

final as (
    select
        profile_id,
        segment,
        attribute
    from evaluated
    where is_member
)

select * from final
