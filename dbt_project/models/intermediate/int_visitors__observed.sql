with

events as (
    select * from {{ ref('stg_web__events') }}
    where occurred_at <= {{ as_of() }}
),

addresses as (
    select * from {{ ref('int_addresses__normalised') }}
    where is_valid
),

first_seen as (
    select
        anonymous_id,
        written_email,
        min(occurred_at) as first_seen_at
    from events
    group by anonymous_id, written_email
),

-- With an address that is not valid the visitor stays an anonymous one.
final as (
    select
        first_seen.anonymous_id,
        addresses.email,
        min(first_seen.first_seen_at) as first_seen_at
    from first_seen
    left join addresses on first_seen.written_email = addresses.written_email
    group by first_seen.anonymous_id, addresses.email
)

select * from final
