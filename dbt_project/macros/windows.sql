{% macro first_known(column) -%}
    {{ return(adapter.dispatch('first_known', 'mailmart')(column)) }}
{%- endmacro %}

{% macro default__first_known(column) -%}
    first_value({{ column }}) ignore nulls
{%- endmacro %}

{% macro duckdb__first_known(column) -%}
    first_value({{ column }} ignore nulls)
{%- endmacro %}

{% macro bigquery__first_known(column) -%}
    first_value({{ column }} ignore nulls)
{%- endmacro %}
