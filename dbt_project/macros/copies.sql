{% macro repeated_hashes(relation, hash_columns) -%}
    {%- for column in hash_columns %}
    select {{ column }} as row_hash from {{ relation }}
    where {{ column }} is not null
    group by {{ column }}
    having count(*) > 1
    {{- '\n    union distinct' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{% macro without_copies(relation, repeated) -%}
    select events.* from {{ relation }} as events
    where
        not exists (
            select 1 from {{ repeated }}
            where {{ repeated }}.row_hash = events.content_hash
        )
        and not exists (
            select 1 from {{ repeated }}
            where {{ repeated }}.row_hash = events.id_hash
        )
{%- endmacro %}


{% macro with_possible_copies(relation, repeated) -%}
    select events.*
    from {{ relation }} as events
    left join {{ repeated }} as repeated_contents
        on events.content_hash = repeated_contents.row_hash
    left join {{ repeated }} as repeated_ids
        on events.id_hash = repeated_ids.row_hash
    where
        repeated_contents.row_hash is not null
        or repeated_ids.row_hash is not null
{%- endmacro %}
