{#
    Events that may be copies are found by two hashes, of their content and of the source's
    id. Only these meet the exact rules. Where a build goes on, `arrived` stands for all
    events, and `known` are the models that hold what earlier builds have seen.
#}


{# Where a build goes on, what is computed anew stands for all. #}
{% macro anew_or_all(anew, all) %}
    {%- do return(anew if continues_build() else all) -%}
{% endmacro %}


{% macro repeated_hashes(relation, known) -%}
    {%- for column in ['content_hash', 'id_hash'] %}
    select {{ column }} as row_hash from {{ relation }}
    where {{ column }} is not null
    group by {{ column }}
    having count(*) > 1
    {{- '\n    union distinct' if not loop.last }}
    {%- endfor %}
    {%- for model in known if continues_build() %}
    {%- for column in ['content_hash', 'id_hash'] %}
    union distinct
    select {{ column }} as row_hash from {{ model_relation(model) }}
    where {{ column }} in (select {{ column }} from {{ relation }})
    {%- endfor %}
    {%- endfor %}
{%- endmacro %}


{#
    Contents that are settled anew: of events with a repeated hash, and of all that were
    possible copies before and are of the same people. The last of `known` holds these.
#}
{% macro contested_contents(arrived, repeated, known) -%}
    {%- for model in known if continues_build() %}
    {%- for column in ['content_hash', 'id_hash'] %}
    select
        content_hash,
        occurred_at
    from {{ model_relation(model) }}
    where {{ column }} in (select row_hash from {{ repeated }})
    union all
    {%- endfor %}
    {%- endfor %}
    {%- if continues_build() %}
    {%- set copied = model_relation(known | last) %}
    select
        content_hash,
        occurred_at
    from {{ copied }}
    where
        profile_key in (
            select profile_key from {{ copied }}
            where
                content_hash in (select row_hash from {{ repeated }})
                or id_hash in (select row_hash from {{ repeated }})
        )
    union all
    {%- endif %}
    select
        content_hash,
        occurred_at
    from {{ arrived }}
    where
        content_hash in (select row_hash from {{ repeated }})
        or id_hash in (select row_hash from {{ repeated }})
{%- endmacro %}


{#
    Where a build goes on, the rows that may be of contested contents: by time alone, which
    is cheap to read. Otherwise all.
#}
{% macro contested_rows(events, contested) -%}
    select * from {{ events }}
    where {{ is_touched('occurred_at', contested) }}
{%- endmacro %}


{# The rows that have to be settled by the exact rules. #}
{% macro possible_copies(events, repeated, contested) -%}
    {%- if continues_build() %}
    select * from {{ events }}
    where content_hash in (select content_hash from {{ contested }})
    {%- else %}
    {{ join_repeated(events, repeated) }}
    where
        repeated_contents.row_hash is not null
        or repeated_ids.row_hash is not null
    {%- endif %}
{%- endmacro %}


{#
    Joins, not `exists`: DuckDB would group the hashes of all events once more for it.
#}
{% macro without_copies(relation, repeated, contested) -%}
    {{ join_repeated(relation, repeated) }}
    where
        repeated_contents.row_hash is null
        and repeated_ids.row_hash is null
        {%- if continues_build() %}
        and events.content_hash not in (select content_hash from {{ contested }})
        {%- endif %}
{%- endmacro %}


{% macro join_repeated(relation, repeated) -%}
    select events.*
    from {{ relation }} as events
    left join {{ repeated }} as repeated_contents
        on events.content_hash = repeated_contents.row_hash
    left join {{ repeated }} as repeated_ids
        on events.id_hash = repeated_ids.row_hash
{%- endmacro %}
