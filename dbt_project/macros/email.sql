{% macro normalise_email(column) -%}
    {{ return(adapter.dispatch('normalise_email', 'mailmart')(column)) }}
{%- endmacro %}

{#
    Only ASCII is lowered: a Kelvin sign must not become a k, or one person could pass
    for another; such an address is not valid anyway.
#}
{% macro default__normalise_email(column) -%}
    {%- set blanks %}[\\x09-\\x0D\\x20\\xA0]+{% endset -%}
    {%- set trimmed -%}
        regexp_replace({{ column }}, '^{{ blanks }}|{{ blanks }}$', '')
    {%- endset -%}
    case
        when octet_length({{ trimmed }}) = char_length({{ trimmed }})
            then lower({{ trimmed }})
        else {{ trimmed }}
    end
{%- endmacro %}

{#
    The first branch is the common case, and far faster than trimming by a set of characters.
    left() and right() count characters even where all are ASCII.
#}
{% macro duckdb__normalise_email(column) -%}
    {%- set trimmed -%}
        trim({{ column }}, e'\t\n\f\r ' || chr(11) || chr(160))
    {%- endset -%}
    case
        when
            strlen({{ column }}) = length({{ column }})
            and {{ column }} >= '!'
            and substring({{ column }}, -1, 1) > ' '
            then lower({{ column }})
        when strlen({{ trimmed }}) = length({{ trimmed }}) then lower({{ trimmed }})
        else {{ trimmed }}
    end
{%- endmacro %}


{% macro is_valid_email(column) -%}
    (
        length({{ column }}) <= 254
        and {{ matches_pattern(column, "'^[!-?A-~]+@[!-?A-~]+[.][!-?A-~]+$'") }}
    )
{%- endmacro %}
