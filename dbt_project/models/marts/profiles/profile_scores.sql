with

scores as (
    select * from {{ ref('stg_ml__scores') }}
    where scored_at = {{ as_of() }}
),

final as (
    select
        profiles.profile_id,
        churn.probability as churn_probability,
        churn.model_version as churn_model_version,
        churn.reasons as churn_reasons,
        opening.probability as open_probability,
        opening.model_version as open_model_version,
        coalesce(churn.scored_at, opening.scored_at) as scored_at
    from {{ ref('dim_profiles') }} as profiles
    -- Consent may have gone since the scoring; the score goes with it.
    left join scores as churn
        on
            profiles.profile_id = churn.profile_id
            and churn.target = 'churn'
            and profiles.may_be_profiled
    left join scores as opening
        on
            profiles.profile_id = opening.profile_id
            and opening.target = 'open'
            and profiles.may_be_profiled
)

select * from final
