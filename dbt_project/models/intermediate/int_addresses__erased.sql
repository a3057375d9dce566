with

requests as (
    select * from {{ ref('stg_crm__erasure_requests') }}
),

final as (
    select
        email,
        min(requested_at) as requested_at
    from requests
    where requested_at <= {{ as_of() }}
    group by email
)

select * from final
