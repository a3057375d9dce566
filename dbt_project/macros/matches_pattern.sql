{% macro matches_pattern(column, pattern) -%}
    {{ return(adapter.dispatch('matches_pattern', 'mailmart')(column, pattern)) }}
{%- endmacro %}

{% macro default__matches_pattern(column, pattern) -%}
    regexp_like({{ column }}, {{ pattern }})
{%- endmacro %}

{% macro duckdb__matches_pattern(column, pattern) -%}
    regexp_matches({{ column }}, {{ pattern }})
{%- endmacro %}

{# Snowflake's regexp_like asks whether the whole text matches. #}
{% macro snowflake__matches_pattern(column, pattern) -%}
    (regexp_instr({{ column }}, {{ pattern }}) > 0)
{%- endmacro %}

{% macro bigquery__matches_pattern(column, pattern) -%}
    regexp_contains({{ column }}, {{ pattern }})
{%- endmacro %}
