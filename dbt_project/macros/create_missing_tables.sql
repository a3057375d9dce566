{#
    dbt has looked at what there is before it comes here: it must be told of new tables.
#}
{% macro create_missing_tables() %}
    {%- if execute -%}
        {%- set tables = graph.sources.values() | list -%}
        {%- for node in graph.nodes.values() if node.config.full_refresh is false -%}
            {%- do tables.append(node) -%}
        {%- endfor -%}
        {%- for table in tables | sort(attribute='unique_id') -%}
            {%- set relation = api.Relation.create(
                database=table.database,
                schema=table.schema,
                identifier=table.identifier or table.alias,
                type='table'
            ) -%}
            {%- set columns = [] -%}
            {%- for column in table.columns.values() -%}
                {%- do columns.append(
                    column_name(column.name) ~ ' ' ~ column_type(column.data_type)
                ) -%}
            {%- endfor -%}
            {%- do run_query('create schema if not exists ' ~ table.schema) -%}
            {%- do run_query(
                'create table if not exists ' ~ relation
                ~ ' (' ~ columns | join(', ') ~ ')'
            ) -%}
            {%- do adapter.cache_added(relation) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
