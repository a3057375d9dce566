{#
    An address as it is compared: trimmed of U+0009-000D, U+0020 and U+00A0, in lower case.
    Only ASCII is lowered: a Kelvin sign must not become a k, or one person could pass for another;
    such an address is not valid anyway. The first branch is the common case and eight times as
    fast as trimming by a set of characters.
#}
{% macro normalise_email(column) -%}
    {{ return(adapter.dispatch('normalise_email', 'mailmart')(column)) }}
{%- endmacro %}

{% macro default__normalise_email(column) -%}
    {%- set trimmed -%}
        regexp_replace({{ column }}, '^[\\x09-\\x0D\\x20\\xA0]+|[\\x09-\\x0D\\x20\\xA0]+$', '')
    {%- endset -%}
    case
        when octet_length({{ trimmed }}) = char_length({{ trimmed }}) then lower({{ trimmed }})
        else {{ trimmed }}
    end
{%- endmacro %}

{% macro duckdb__normalise_email(column) -%}
    {%- set trimmed -%}
        trim({{ column }}, e'\t\n\f\r ' || chr(11) || chr(160))
    {%- endset -%}
    case
        when
            strlen({{ column }}) = length({{ column }})
            and left({{ column }}, 1) > ' '
            and right({{ column }}, 1) > ' '
            then lower({{ column }})
        when strlen({{ trimmed }}) = length({{ trimmed }}) then lower({{ trimmed }})
        else {{ trimmed }}
    end
{%- endmacro %}


{#
    Whether a normalised address is valid: exactly one @, both parts non-empty, nothing but
    U+0021-007E, a dot inside the domain (not at its ends), at most 254 characters.
#}
{% macro is_valid_email(column) -%}
    (
        length({{ column }}) <= 254
        and {{ matches_pattern(column, "'^[!-?A-~]+@[!-?A-~]+[.][!-?A-~]+$'") }}
    )
{%- endmacro %}


{# Whether a regular expression (RE2 and Java agree on those used here) matches somewhere in a text. #}
{% macro matches_pattern(column, pattern) -%}
    {{ return(adapter.dispatch('matches_pattern', 'mailmart')(column, pattern)) }}
{%- endmacro %}

{% macro default__matches_pattern(column, pattern) -%}
    regexp_like({{ column }}, {{ pattern }})
{%- endmacro %}

{% macro duckdb__matches_pattern(column, pattern) -%}
    regexp_matches({{ column }}, {{ pattern }})
{%- endmacro %}


{#
    The stable public id of a profile: SHA-256 of the secret key and the normalised address. The key
    is a variable of the connection, set by the plugin in profiles.yml, so that no compiled SQL holds it.
#}
{% macro keyed_hash(column) -%}
    {{ return(adapter.dispatch('keyed_hash', 'mailmart')(column)) }}
{%- endmacro %}

{% macro default__keyed_hash(column) -%}
    sha2(concat({{ env_var('MAILMART_PROFILE_KEY_EXPRESSION', "current_setting('mailmart.profile_key')") }}, ':', {{ column }}), 256)
{%- endmacro %}

{# error() rather than null: ids made without the key would be other people. #}
{% macro duckdb__keyed_hash(column) -%}
    sha256(
        coalesce(
            getvariable('mailmart_profile_key'),
            error('the key of the profile ids is not set on this connection')
        ) || ':' || {{ column }}
    )
{%- endmacro %}
