{{
    config(
        materialized='incremental',
        full_refresh=false,
        on_schema_change='append_new_columns',
        post_hook="{{ finish_build() }}"
    )
}}
{#-
    History: a row for each build, kept through full refreshes. It is written when all that
    a destination reads has been built and tested; until then the build is unfinished, and
    nothing is delivered.
-#}
{%- set code_version = env_var('MAILMART_CODE_VERSION', 'unknown') if execute %}
-- depends_on: {{ ref('sync_profiles') }}
-- depends_on: {{ ref('sync_segment_members') }}
-- depends_on: {{ ref('sync_suppressions') }}
-- depends_on: {{ ref('ftr_open_propensity') }}
-- depends_on: {{ ref('fct_email_events') }}
-- depends_on: {{ ref('fct_web_events') }}
-- depends_on: {{ ref('fct_orders') }}
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

-- Where a public table is a view that joins, what it has a row for each of is counted.
final as (
    select
        {{ timestamp_literal(started_at()) }} as built_at,
        {{ as_of() }} as as_of,
        cast('{{ code_version }}' as {{ dbt.type_string() }}) as code_version,
        churn_model_version,
        open_model_version,
        (select count(*) from {{ ref('dim_profiles') }}) as dim_profiles_rows,
        (select count(*) from {{ ref('int_email_events__deduplicated') }})
            as fct_email_events_rows,
        (select count(*) from {{ ref('int_web_events__resolved') }})
            as fct_web_events_rows,
        (select count(*) from {{ ref('int_orders__current') }}) as fct_orders_rows,
        (select count(*) from {{ ref('fct_quarantined_rows') }})
            as fct_quarantined_rows_rows,
        (select count(*) from {{ ref('fct_engagement_tier_spells') }})
            as fct_engagement_tier_spells_rows,
        (select count(*) from {{ ref('fct_segment_members') }})
            as fct_segment_members_rows,
        (select count(*) from {{ ref('ftr_churn') }}) as ftr_churn_rows,
        (select count(*) from {{ ref('int_messages__sent') }})
            as ftr_open_propensity_rows
    from model_versions
)

select * from final
