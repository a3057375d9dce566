with

identified_events as (
    select
        anonymous_id,
        email,
        min(occurred_at) as identified_at
    from {{ ref('stg_web__events') }}
    where
        occurred_at <= {{ as_of() }}
        and anonymous_id is not null
        and email is not null
    group by anonymous_id, email
),

ranked as (
    select
        *,
        row_number() over (
            partition by anonymous_id
            order by identified_at, email
        ) as address_rank
    from identified_events
),

final as (
    select
        ranked.anonymous_id,
        ranked.email,
        ranked.identified_at
    from ranked
    left join {{ ref('int_addresses__erased') }} as erased on ranked.email = erased.email
    where
        ranked.address_rank = 1
        -- A visitor whose address was erased is tied to nobody.
        and erased.email is null
)

select * from final
