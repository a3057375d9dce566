{% macro uses_scores(segment) -%}
    {%- set expressions = segment.rule ~ ' ' ~ segment.attribute -%}
    {{ return(modules.re.search('(?i)\\b(churn|open)_probability', expressions) is not none) }}
{%- endmacro %}
