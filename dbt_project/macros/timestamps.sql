{% macro in_last_days(column, days, until=none) -%}
    {{ column }} > {{ timestamp_add('hour', '-24 * ' ~ days, until or as_of()) }}
{%- endmacro %}


{% macro days_between(earlier, later) -%}
    (
        ({{ epoch_microseconds(later) }} - {{ epoch_microseconds(earlier) }})
        / 86400000000.0
    )
{%- endmacro %}


{% macro timestamp_add(unit, count, timestamp) -%}
    {{ return(adapter.dispatch('timestamp_add', 'mailmart')(unit, count, timestamp)) }}
{%- endmacro %}

{% macro default__timestamp_add(unit, count, timestamp) -%}
    {{ dbt.dateadd(unit, count, timestamp) }}
{%- endmacro %}

{# dbt's own goes through date_add(…, interval), which cannot multiply by a column. #}
{% macro duckdb__timestamp_add(unit, count, timestamp) -%}
    ({{ timestamp }} + to_{{ unit }}s({{ count }}))
{%- endmacro %}


{% macro epoch_microseconds(timestamp) -%}
    {{ return(adapter.dispatch('epoch_microseconds', 'mailmart')(timestamp)) }}
{%- endmacro %}

{% macro default__epoch_microseconds(timestamp) -%}
    {{ dbt.datediff("cast('1970-01-01' as timestamp)", timestamp, 'microsecond') }}
{%- endmacro %}

{% macro duckdb__epoch_microseconds(timestamp) -%}
    epoch_us({{ timestamp }})
{%- endmacro %}

{% macro spark__epoch_microseconds(timestamp) -%}
    unix_micros({{ timestamp }})
{%- endmacro %}

{% macro bigquery__epoch_microseconds(timestamp) -%}
    unix_micros(timestamp({{ timestamp }}))
{%- endmacro %}


{% macro clock_slot(timestamp, seconds) -%}
    floor({{ epoch_microseconds(timestamp) }} / ({{ seconds }} * 1000000))
{%- endmacro %}
