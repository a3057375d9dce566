{{
    config(
        materialized='incremental',
        full_refresh=false,
        on_schema_change='append_new_columns'
    )
}}
{#- History: a row for each build, kept through full refreshes. -#}
{%- set code_version = env_var('MAILMART_CODE_VERSION', 'unknown') if execute -%}
{%- set counted_models = [
    'dim_profiles',
    'fct_email_events',
    'fct_web_events',
    'fct_orders',
    'fct_quarantined_rows',
    'fct_engagement_tier_spells',
    'fct_segment_members',
    'ftr_churn',
    'ftr_open_propensity',
] -%}
with

scores as (
    select * from {{ ref('profile_scores') }}
),

model_versions as (
    select
        max(churn_model_version) as churn_model_version,
        max(open_model_version) as open_model_version
    from scores
),

final as (
    select
        {{ timestamp_literal(utc_datetime(run_started_at)) }} as built_at,
        {{ as_of() }} as as_of,
        cast('{{ code_version }}' as {{ dbt.type_string() }}) as code_version,
        churn_model_version,
        open_model_version,
        {%- for model in counted_models %}
        (select count(*) from {{ ref(model) }})
            as {{ model }}_rows{{ "," if not loop.last }}
        {%- endfor %}
    from model_versions
)

select * from final
