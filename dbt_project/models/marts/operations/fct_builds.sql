{{ config(materialized='incremental', full_refresh=false, on_schema_change='append_new_columns') }}
{#- History: a row for each build, kept through full refreshes. -#}
with

model_versions as (
    select
        max(churn_model_version) as churn_model_version,
        max(open_model_version) as open_model_version
    from {{ ref('profile_scores') }}
),

{%- set counted = [
    'dim_profiles', 'fct_email_events', 'fct_web_events', 'fct_orders', 'fct_quarantined_rows',
    'fct_engagement_tier_spells', 'fct_segment_members', 'ftr_churn', 'ftr_open_propensity',
] %}

final as (
    select
        {{ timestamp_literal(run_started_at.astimezone(modules.pytz.utc)) }} as built_at,
        {{ as_of() }} as as_of,
        cast('{{ env_var("MAILMART_CODE_VERSION", "unknown") if execute else "" }}' as {{ dbt.type_string() }}) as code_version,
        model_versions.churn_model_version,
        model_versions.open_model_version,
        {%- for model in counted %}
        (select count(*) from {{ ref(model) }}) as {{ model }}_rows{{ "," if not loop.last }}
        {%- endfor %}
    from model_versions
)

select * from final
