with

source as (
    select * from {{ source('raw', 'campaigns') }}
),

final as (
    select
        campaign_id,
        nullif(name, '') as name,
        nullif(subject, '') as subject,
        nullif(category, '') as category,
        sent_at,
        updated_at,
        _loaded_at as loaded_at
    from source
)

select * from final
