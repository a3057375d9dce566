with

events as (
    select * from {{ ref('stg_web__events') }}
    where occurred_at <= {{ as_of() }}
),

final as (
    select
        anonymous_id,
        email,
        min(occurred_at) as first_seen_at
    from events
    group by anonymous_id, email
)

select * from final
