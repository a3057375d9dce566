{% macro repeated_hashes(relation, hash_columns) -%}
    {%- for column in hash_columns %}
    select {{ column }} as row_hash from {{ relation }}
    where {{ column }} is not null
    group by {{ column }}
    having count(*) > 1
    {{- '\n    union distinct' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{#
    Joins, not `exists`: DuckDB would group the hashes of all events once more for it.
#}
{% macro without_copies(relation, repeated) -%}
    {{ join_repeated(relation, repeated) }}
    where
        repeated_contents.row_hash is null
        and repeated_ids.row_hash is null
{%- endmacro %}


{% macro with_possible_copies(relation, repeated) -%}
    {{ join_repeated(relation, repeated) }}
    where
        repeated_contents.row_hash is not null
        or repeated_ids.row_hash is not null
{%- endmacro %}


{% macro join_repeated(relation, repeated) -%}
    select events.*
    from {{ relation }} as events
    left join {{ repeated }} as repeated_contents
        on events.content_hash = repeated_contents.row_hash
    left join {{ repeated }} as repeated_ids
        on events.id_hash = repeated_ids.row_hash
{%- endmacro %}
