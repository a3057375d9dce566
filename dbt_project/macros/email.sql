{% macro normalise_email(column) -%}
    {{ return(adapter.dispatch('normalise_email', 'mailmart')(column)) }}
{%- endmacro %}

{#
    Only ASCII is lowered: a Kelvin sign must not become a k, or one person could pass
    for another; such an address is not valid anyway.
#}
{% macro default__normalise_email(column) -%}
    case
        when octet_length({{ trim_blanks(column) }}) = length({{ trim_blanks(column) }})
            then lower({{ trim_blanks(column) }})
        else {{ trim_blanks(column) }}
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


{% macro trim_blanks(column) -%}
    {{ return(adapter.dispatch('trim_blanks', 'mailmart')(column)) }}
{%- endmacro %}

{% macro default__trim_blanks(column) -%}
    trim({{ column }}, '\u0009\u000a\u000b\u000c\u000d\u0020\u00a0')
{%- endmacro %}

{% macro spark__trim_blanks(column) -%}
    btrim({{ column }}, '\u0009\u000a\u000b\u000c\u000d\u0020\u00a0')
{%- endmacro %}


{% macro is_valid_email(column) -%}
    (
        length({{ column }}) <= 254
        and {{ matches_pattern(column, "'^[!-?A-~]+@[!-?A-~]+[.][!-?A-~]+$'") }}
    )
{%- endmacro %}
