{#
    A build that dies half-way leaves tables of two moments side by side, each of them
    whole. It is on record from its beginning until its last table is there.
#}
{% macro unfinished_builds() -%}
    {{ return(api.Relation.create(
        database=target.database,
        schema=generate_schema_name('intermediate', none),
        identifier='unfinished_builds'
    )) }}
{%- endmacro %}


{% macro begin_build() %}
    {%- if execute and flags.WHICH in ['build', 'run'] -%}
        {%- set builds = unfinished_builds() -%}
        {%- do run_query('create schema if not exists ' ~ builds.schema) -%}
        {%- do run_query(
            'create table if not exists ' ~ builds
            ~ ' (as_of timestamp, began_at timestamp)'
        ) -%}
        {%- do run_query(
            'insert into ' ~ builds ~ ' values ('
            ~ as_of() ~ ', ' ~ timestamp_literal(started_at()) ~ ')'
        ) -%}
        {%- do note_begin() -%}
    {%- endif -%}
{% endmacro %}


{% macro finish_build() -%}
    delete from {{ unfinished_builds() }} where true
{%- endmacro %}
