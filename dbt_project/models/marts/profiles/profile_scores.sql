with

profiles as (
    select * from {{ ref('dim_profiles') }}
),

churn_scores as (
    select * from {{ ref('stg_ml__scores') }}
    where target = 'churn' and scored_at = {{ as_of() }}
),

open_scores as (
    select * from {{ ref('stg_ml__scores') }}
    where target = 'open' and scored_at = {{ as_of() }}
),

final as (
    select
        profiles.profile_id,
        churn_scores.probability as churn_probability,
        churn_scores.model_version as churn_model_version,
        churn_scores.reasons as churn_reasons,
        open_scores.probability as open_probability,
        open_scores.model_version as open_model_version,
        coalesce(churn_scores.scored_at, open_scores.scored_at) as scored_at
    from profiles
    -- Consent may have gone since the scoring; the score goes with it.
    left join churn_scores
        on
            profiles.profile_id = churn_scores.profile_id
            and profiles.may_be_profiled
    left join open_scores
        on
            profiles.profile_id = open_scores.profile_id
            and profiles.may_be_profiled
)

select * from final
