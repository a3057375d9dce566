{{ config(materialized='view') }}
with

consents as (
    select * from {{ ref('int_consents__heard') }}
),

final as (
    select
        email,
        purpose,
        status,
        recorded_at,
        expires_at,
        coalesce(
            status = 'granted'
            and (expires_at is null or expires_at > {{ as_of() }}),
            false
        ) as is_granted,
        withdrawn_later_at
    from consents
)

select * from final
