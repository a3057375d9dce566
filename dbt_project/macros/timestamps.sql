{% macro in_last_days(column, days, until=none) -%}
    {{ column }} > {{ timestamp_add('hour', '-24 * ' ~ days, until or as_of()) }}
{%- endmacro %}


{# Where windows that end at a cutoff begin: made once for it, not for each event in them. #}
{% macro window_beginnings(cutoff, windows) -%}
    {%- for days in windows %}
    {{ timestamp_add('hour', -24 * days, cutoff) }} as last_{{ days }}_days_begin
    {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{% macro days_between(earlier, later) -%}
    {{ quotient(
        '(' ~ epoch_microseconds(later) ~ ' - ' ~ epoch_microseconds(earlier) ~ ')',
        '86400000000.0',
    ) }}
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

{# dbt's own makes a datetime, which BigQuery compares with no timestamp. #}
{% macro bigquery__timestamp_add(unit, count, timestamp) -%}
    timestamp_add({{ timestamp }}, interval ({{ count }}) {{ unit }})
{%- endmacro %}

{# dbt's own drops the microseconds, or asks a connection which version it has. #}
{% macro spark__timestamp_add(unit, count, timestamp) -%}
    timestampadd({{ unit }}, cast({{ count }} as int), {{ timestamp }})
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

{% macro snowflake__epoch_microseconds(timestamp) -%}
    date_part(epoch_microsecond, {{ timestamp }})
{%- endmacro %}

{% macro spark__epoch_microseconds(timestamp) -%}
    unix_micros({{ timestamp }})
{%- endmacro %}

{% macro bigquery__epoch_microseconds(timestamp) -%}
    unix_micros({{ timestamp }})
{%- endmacro %}


{% macro clock_slot(timestamp, seconds) -%}
    floor({{ quotient(epoch_microseconds(timestamp), '(' ~ seconds ~ ' * 1000000)') }})
{%- endmacro %}


{% macro minute_of(timestamp) -%}
    {{ return(adapter.dispatch('minute_of', 'mailmart')(timestamp)) }}
{%- endmacro %}

{% macro default__minute_of(timestamp) -%}
    {{ dbt.date_trunc('minute', timestamp) }}
{%- endmacro %}

{% macro bigquery__minute_of(timestamp) -%}
    timestamp_trunc({{ timestamp }}, minute)
{%- endmacro %}
