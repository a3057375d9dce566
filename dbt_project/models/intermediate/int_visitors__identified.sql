{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'anonymous_id': 'int_visitors__written'}}
    )
}}
with

log_ins as (
    select * from {{ ref('int_visitors__observed') }}
    where
        anonymous_id is not null
        and email is not null
        and {{ is_touched('anonymous_id', ref('int_visitors__written')) }}
),

erased_addresses as (
    select * from {{ ref('int_addresses__erased') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by anonymous_id
            order by first_seen_at, email
        ) as address_rank
    from log_ins
),

final as (
    select
        ranked.anonymous_id,
        ranked.email,
        ranked.first_seen_at as identified_at
    from ranked
    left join erased_addresses on ranked.email = erased_addresses.email
    where
        ranked.address_rank = 1
        -- A visitor whose address was erased is tied to nobody.
        and erased_addresses.email is null
)

select * from final
