with

events as (
    select * from {{ ref('stg_web__events') }}
    where
        occurred_at <= {{ as_of() }}
        and anonymous_id is not null
        and email is not null
),

erased_addresses as (
    select * from {{ ref('int_addresses__erased') }}
),

log_ins as (
    select
        anonymous_id,
        email,
        min(occurred_at) as identified_at
    from events
    group by anonymous_id, email
),

ranked as (
    select
        *,
        row_number() over (
            partition by anonymous_id
            order by identified_at, email
        ) as address_rank
    from log_ins
),

final as (
    select
        ranked.anonymous_id,
        ranked.email,
        ranked.identified_at
    from ranked
    left join erased_addresses on ranked.email = erased_addresses.email
    where
        ranked.address_rank = 1
        -- A visitor whose address was erased is tied to nobody.
        and erased_addresses.email is null
)

select * from final
