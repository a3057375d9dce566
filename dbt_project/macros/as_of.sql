{#
    The instant of which the marts speak, as a naive UTC datetime of Python: the var `as_of`, else the
    environment variable MAILMART_AS_OF, else the start of the run. The environment is asked only when
    a model is built, not when it is parsed: a new value then costs no new parse of the project, as a
    new var does.
#}
{% macro as_of_datetime() %}
    {%- if var('as_of') is not none -%}
        {%- do return(utc_datetime(var('as_of'))) -%}
    {%- elif execute and env_var('MAILMART_AS_OF', '') -%}
        {%- do return(utc_datetime(env_var('MAILMART_AS_OF'))) -%}
    {%- endif -%}
    {%- do return(run_started_at.astimezone(modules.pytz.utc).replace(tzinfo=none)) -%}
{% endmacro %}


{# An ISO 8601 text or a datetime as a naive UTC datetime of Python. #}
{% macro utc_datetime(value) %}
    {%- set instant = modules.datetime.datetime.fromisoformat(value | string) -%}
    {%- if instant.tzinfo is not none -%}
        {%- set instant = instant.astimezone(modules.pytz.utc).replace(tzinfo=none) -%}
    {%- endif -%}
    {%- do return(instant) -%}
{% endmacro %}


{% macro timestamp_literal(instant) -%}
    cast('{{ instant.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp)
{%- endmacro %}


{# The instant of which the marts speak, as an SQL literal. #}
{% macro as_of() -%}
    {{ timestamp_literal(as_of_datetime()) }}
{%- endmacro %}


{# Add a whole number of a unit to a timestamp; either may be an expression. #}
{% macro timestamp_add(unit, count, timestamp) -%}
    {{ return(adapter.dispatch('timestamp_add', 'mailmart')(unit, count, timestamp)) }}
{%- endmacro %}

{% macro default__timestamp_add(unit, count, timestamp) -%}
    {{ dbt.dateadd(unit, count, timestamp) }}
{%- endmacro %}

{# dbt's own macro goes through date_add(…, interval), which cannot multiply by a column. #}
{% macro duckdb__timestamp_add(unit, count, timestamp) -%}
    ({{ timestamp }} + to_{{ unit }}s({{ count }}))
{%- endmacro %}


{#
    True from the instant of `column` on, for exactly `days` × 24 h: in (as_of - days × 24 h, as_of].
    What lies after as_of was left out before, in the intermediate layer.
#}
{% macro in_last_days(column, days) -%}
    {{ column }} > {{ timestamp_add('hour', '-24 * ' ~ days, as_of()) }}
{%- endmacro %}


{# Days from one timestamp to a later one, fractions counted. #}
{% macro days_between(earlier, later) -%}
    ({{ dbt.datediff(earlier, later, 'microsecond') }} / 86400000000.0)
{%- endmacro %}


{# Microseconds since 1970 of a UTC timestamp, for window frames that every engine knows. #}
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
