with

requests as (
    select * from {{ ref('stg_crm__erasure_requests') }}
    where requested_at <= {{ as_of() }}
),

final as (
    select
        email,
        min(requested_at) as requested_at
    from requests
    group by email
)

select * from final
