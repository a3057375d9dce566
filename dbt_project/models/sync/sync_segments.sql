{%- set segments = segments() -%}
with

final as (
    {%- for segment in segments %}
    select
        {{ dbt.string_literal(segment.name) }} as segment,
        {{ dbt.string_literal(dbt.escape_single_quotes(segment.description)) }}
            as description,
        {{ dbt.string_literal(dbt.escape_single_quotes(segment.rule)) }} as rule,
        {{ dbt.string_literal(dbt.escape_single_quotes(segment.reason)) }} as reason
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select * from final
