{#
    The yml names the types of the embedded warehouse. Where another has a word of its own,
    the DDL that dbt and we write takes it from here.
#}
{% macro column_type(data_type) -%}
    {{ return(adapter.dispatch('column_type', 'mailmart')(data_type)) }}
{%- endmacro %}

{% macro default__column_type(data_type) -%}
    {%- set words = {
        'varchar': dbt.type_string(), 'json': dbt.type_string(), 'double': type_double()
    } -%}
    {{ return(words.get(data_type, data_type)) }}
{%- endmacro %}

{% macro duckdb__column_type(data_type) -%}
    {{ return(data_type) }}
{%- endmacro %}


{% macro column_name(name) -%}
    {{ return(adapter.dispatch('column_name', 'mailmart')(name)) }}
{%- endmacro %}

{% macro default__column_name(name) -%}
    {{ return(adapter.quote(name)) }}
{%- endmacro %}

{# A name without quotes is read there in capitals, and so is one with quotes meant here. #}
{% macro snowflake__column_name(name) -%}
    {{ return(adapter.quote(name | upper)) }}
{%- endmacro %}


{#
    dbt comes here before it writes the DDL of a contract, and reads the types of the columns
    from the same `model` afterwards.
#}
{% macro default__get_assert_columns_equivalent(sql) -%}
    {%- for column in model['columns'].values() -%}
        {%- do column.update(data_type=column_type(column.data_type)) -%}
    {%- endfor -%}
    {{ return(assert_columns_equivalent(sql)) }}
{%- endmacro %}
