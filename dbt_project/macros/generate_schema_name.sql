{% macro generate_schema_name(custom_schema_name, node) %}
    {%- set layer = custom_schema_name | default(target.schema, true) | trim -%}
    {%- set is_alone = target.type == 'duckdb' or target.schema == 'prod' -%}
    {%- if custom_schema_name is none or is_alone -%}
        {{ layer }}
    {%- else -%}
        {{ target.schema }}_{{ layer }}
    {%- endif -%}
{% endmacro %}
