{% macro local_date(timestamp, timezone) -%}
    {{ return(adapter.dispatch('local_date', 'mailmart')(timestamp, timezone)) }}
{%- endmacro %}

{% macro default__local_date(timestamp, timezone) -%}
    cast(convert_timezone('UTC', {{ timezone }}, {{ timestamp }}) as date)
{%- endmacro %}

{% macro duckdb__local_date(timestamp, timezone) -%}
    cast(timezone({{ timezone }}, timezone('UTC', {{ timestamp }})) as date)
{%- endmacro %}

{% macro spark__local_date(timestamp, timezone) -%}
    cast(from_utc_timestamp({{ timestamp }}, {{ timezone }}) as date)
{%- endmacro %}

{% macro bigquery__local_date(timestamp, timezone) -%}
    extract(date from {{ timestamp }} at time zone {{ timezone }})
{%- endmacro %}


{% macro day_of_week(timestamp) -%}
    {{ return(adapter.dispatch('day_of_week', 'mailmart')(timestamp)) }}
{%- endmacro %}

{% macro default__day_of_week(timestamp) -%}
    extract(dayofweek from {{ timestamp }})
{%- endmacro %}

{# Its dayofweek begins where a parameter of the account says. #}
{% macro snowflake__day_of_week(timestamp) -%}
    mod(dayofweekiso({{ timestamp }}), 7)
{%- endmacro %}

{# Spark and BigQuery begin with Sunday 1. #}
{% macro spark__day_of_week(timestamp) -%}
    (extract(dayofweek from {{ timestamp }}) - 1)
{%- endmacro %}

{% macro bigquery__day_of_week(timestamp) -%}
    (extract(dayofweek from {{ timestamp }}) - 1)
{%- endmacro %}


{% macro date_add(unit, count, date) -%}
    {{ return(adapter.dispatch('date_add', 'mailmart')(unit, count, date)) }}
{%- endmacro %}

{% macro default__date_add(unit, count, date) -%}
    {{ timestamp_add(unit, count, date) }}
{%- endmacro %}

{% macro spark__date_add(unit, count, date) -%}
    {{ {'day': 'date_add', 'month': 'add_months'}[unit] }}({{ date }}, {{ count }})
{%- endmacro %}

{% macro bigquery__date_add(unit, count, date) -%}
    date_add({{ date }}, interval ({{ count }}) {{ unit }})
{%- endmacro %}
