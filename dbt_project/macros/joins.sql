{% macro left_join_newest(relation, alias, key, at) -%}
    {{ return(adapter.dispatch('left_join_newest', 'mailmart')(relation, alias, key, at)) }}
{%- endmacro %}

{% macro default__left_join_newest(relation, alias, key, at) -%}
    left join {{ relation }} as {{ alias }}
        on
            {{ key }} = {{ alias }}.{{ key.split('.') | last }}
            and {{ alias }}.known_from <= {{ at }}
            and ({{ alias }}.superseded_at is null or {{ alias }}.superseded_at > {{ at }})
{%- endmacro %}

{#
    A merge of two sorted sides: no row meets more than one other. For few rows, as where a
    build goes on, sorting costs more than it saves.
#}
{% macro duckdb__left_join_newest(relation, alias, key, at) -%}
    {%- if continues_build() -%}
    {{ default__left_join_newest(relation, alias, key, at) }}
    {%- else -%}
    asof left join {{ relation }} as {{ alias }}
        on
            {{ key }} = {{ alias }}.{{ key.split('.') | last }}
            and {{ at }} >= {{ alias }}.known_from
    {%- endif -%}
{%- endmacro %}
