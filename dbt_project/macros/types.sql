{% macro type_double() -%}
    {{ return(adapter.dispatch('type_double', 'mailmart')()) }}
{%- endmacro %}

{% macro default__type_double() -%}
    double
{%- endmacro %}

{% macro bigquery__type_double() -%}
    float64
{%- endmacro %}


{% macro quotient(dividend, divisor) -%}
    {{ return(adapter.dispatch('quotient', 'mailmart')(dividend, divisor)) }}
{%- endmacro %}

{# Snowflake and Spark round the quotient of two exact numbers to a few decimals. #}
{% macro default__quotient(dividend, divisor) -%}
    (cast({{ dividend }} as {{ type_double() }}) / {{ divisor }})
{%- endmacro %}

{% macro duckdb__quotient(dividend, divisor) -%}
    ({{ dividend }} / {{ divisor }})
{%- endmacro %}


{% macro text_literal(text) -%}
    {{ return(adapter.dispatch('text_literal', 'mailmart')(text)) }}
{%- endmacro %}

{# A backslash escapes what follows it, and two quotes side by side are two texts. #}
{% macro default__text_literal(text) -%}
    '{{ text | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro %}

{% macro duckdb__text_literal(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro %}
