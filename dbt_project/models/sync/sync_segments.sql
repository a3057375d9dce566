{%- set segments = segments() -%}
with

final as (
    {%- for segment in segments %}
    select
        {{ text_literal(segment.name) }} as segment,
        {{ text_literal(segment.description) }} as description,
        {{ text_literal(segment.rule) }} as rule,
        {{ text_literal(segment.reason) }} as reason
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select * from final
