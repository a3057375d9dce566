{#
    Schemas are named after the layers. On a shared warehouse every target but `prod` puts its own
    schema name before them, so that two people never build over each other; the embedded warehouse
    is a file of its own and needs no prefix.
#}
{% macro generate_schema_name(custom_schema_name, node) %}
    {%- set layer = custom_schema_name | default(target.schema, true) | trim -%}
    {%- if custom_schema_name is none or target.type == 'duckdb' or target.name == 'prod' -%}
        {{ layer }}
    {%- else -%}
        {{ target.schema }}_{{ layer }}
    {%- endif -%}
{% endmacro %}
