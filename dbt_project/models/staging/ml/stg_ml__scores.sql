with

source as (
    select * from {{ source('ml', 'scores') }}
),

final as (
    select
        profile_id,
        target,
        model_version,
        reasons,
        probability,
        scored_at
    from source
)

select * from final
