with

source as (
    select * from {{ source('raw', 'campaigns') }}
),

final as (
    select
        campaign_id,
        name,
        subject,
        category,
        sent_at,
        updated_at,
        _loaded_at as loaded_at
    from source
)

select * from final
