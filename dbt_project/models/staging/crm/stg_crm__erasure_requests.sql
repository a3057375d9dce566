with

source as (
    select * from {{ source('raw', 'erasure_requests') }}
),

final as (
    select
        {{ normalise_email('email') }} as email,
        requested_at,
        _loaded_at as loaded_at
    from source
)

select * from final
