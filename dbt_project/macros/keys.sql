{% macro keyed_hash(column) -%}
    {{ return(adapter.dispatch('keyed_hash', 'mailmart')(column)) }}
{%- endmacro %}

{#
    A function that the operator has made in the warehouse: it holds the key, and who runs
    dbt may call it but not read it. So the key is in no SQL and no log of queries.
#}
{% macro default__keyed_hash(column) -%}
    {{ env_var('MAILMART_KEYED_HASH', 'mailmart_keys.keyed_hash') }}({{ column }})
{%- endmacro %}

{# error() rather than null: ids made without the key would be other people. #}
{% macro duckdb__keyed_hash(column) -%}
    case
        {#- Not coalesce: with a constant null DuckDB 2.0 never gets to the error in it. #}
        when getvariable('mailmart_profile_key') is null
            then error('the key of the profile ids is not set on this connection')
        else sha256(getvariable('mailmart_profile_key') || ':' || {{ column }})
    end
{%- endmacro %}


{#
    Numbers and ids of our own come first and need no care; a text is followed by what no
    text can hold unescaped, another mark if it is null.
#}
{% macro content_id(plain, texts) -%}
    {{ return(adapter.dispatch('content_id', 'mailmart')(plain, texts)) }}
{%- endmacro %}

{% macro default__content_id(plain, texts) -%}
    md5({{ content_of(plain, texts) }})
{%- endmacro %}

{% macro bigquery__content_id(plain, texts) -%}
    to_hex(md5({{ content_of(plain, texts) }}))
{%- endmacro %}

{% macro content_of(plain, texts) -%}
    concat(
        {%- for column in plain %}
        cast({{ column }} as {{ dbt.type_string() }}), '|',
        {%- endfor %}
        {%- for column in texts %}
        coalesce(replace({{ column }}, '|', '||'), ''),
        case when {{ column }} is null then '|-' else '|=' end
        {{- "," if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}


{% macro email_event_id(events, profiles) -%}
    {{ content_id(
        plain=[
            profiles ~ '.profile_id',
            epoch_microseconds(events ~ '.occurred_at'),
        ],
        texts=[
            events ~ '.event_type',
            events ~ '.message_id',
            events ~ '.url',
        ],
    ) }}
{%- endmacro %}


{% macro message_key(events, profiles) -%}
    coalesce(
        {{ events }}.message_id, 'event:' || {{ email_event_id(events, profiles) }}
    )
{%- endmacro %}


{#
    Which message an event of a profile is of, as one number: short, for joins. An event
    without a message_id is a message of its own.
#}
{% macro message_hash() -%}
    {{ row_hash([
        'profile_key', 'message_id',
        'case when message_id is null then event_type end',
        'case when message_id is null then occurred_at end',
        'case when message_id is null then url end',
    ]) }}
{%- endmacro %}


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
