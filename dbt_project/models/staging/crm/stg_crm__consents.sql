with

source as (
    select * from {{ source('raw', 'consents') }}
),

final as (
    select
        {{ normalise_email('email') }} as email,
        -- A consent under another spelling of its purpose must not be overlooked.
        {{ normalise_email('purpose') }} as purpose,
        lower(trim(status)) as status,
        nullif(source, '') as source,
        recorded_at,
        expires_at,
        _loaded_at as loaded_at
    from source
)

select * from final
