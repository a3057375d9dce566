{%- set segments = var('segments') -%}
with

final as (
    {%- for segment in segments %}
    select
        {{ dbt.string_literal(segment.name) }} as segment,
        {%- for text in ['description', 'rule', 'reason'] %}
        {{ dbt.string_literal(dbt.escape_single_quotes(segment[text])) }}
            as {{ text }}{{ "," if not loop.last }}
        {%- endfor %}
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select * from final
