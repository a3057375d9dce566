{% macro as_of() -%}
    {{ timestamp_literal(as_of_datetime()) }}
{%- endmacro %}


{#
    The environment is asked only when a model is built, not when it is parsed: a new
    value then costs no new parse of the project, as a new var does.
#}
{% macro as_of_datetime() %}
    {%- if var('as_of') is not none -%}
        {%- do return(utc_datetime(var('as_of'))) -%}
    {%- elif execute and env_var('MAILMART_AS_OF', '') -%}
        {%- do return(utc_datetime(env_var('MAILMART_AS_OF'))) -%}
    {%- endif -%}
    {%- do return(started_at()) -%}
{% endmacro %}


{# A run may call dbt more than once: what was loaded after its start is not in the build. #}
{% macro started_at() %}
    {%- if execute and env_var('MAILMART_STARTED_AT', '') -%}
        {%- do return(utc_datetime(env_var('MAILMART_STARTED_AT'))) -%}
    {%- endif -%}
    {%- do return(utc_datetime(run_started_at)) -%}
{% endmacro %}


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
