{#
    An id made of the content of columns, the same after any reload: md5 over the columns as text,
    nulls told apart from texts.
#}
{% macro content_id(columns) -%}
    md5(
        {%- for column in columns %}
        {{ "|| " if not loop.first }}coalesce(replace(cast({{ column }} as {{ dbt.type_string() }}), '|', '||') || '|=', '|-')
        {%- endfor %}
    )
{%- endmacro %}


{#
    A 64-bit hash of columns, nulls included, to find rows that may be equal cheaply; equal rows have
    equal hashes, and what the hash puts together an exact comparison takes apart again.
#}
{% macro row_hash(columns) -%}
    {{ return(adapter.dispatch('row_hash', 'mailmart')(columns)) }}
{%- endmacro %}

{% macro default__row_hash(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}

{% macro spark__row_hash(columns) -%}
    xxhash64({{ columns | join(', ') }})
{%- endmacro %}

{% macro bigquery__row_hash(columns) -%}
    farm_fingerprint(to_json_string(struct({{ columns | join(', ') }})))
{%- endmacro %}
