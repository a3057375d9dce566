with

addresses as (
    select * from {{ ref('int_addresses__observed') }}
),

visitors as (
    select * from {{ ref('int_visitors__identified') }}
),

anonymous_visits as (
    select * from {{ ref('int_visitors__observed') }}
    where anonymous_id is not null and email is null
),

-- What a visitor did before the log-in is the person's own history.
first_visits as (
    select
        visitors.email,
        min(anonymous_visits.first_seen_at) as first_seen_at
    from visitors
    inner join anonymous_visits
        on visitors.anonymous_id = anonymous_visits.anonymous_id
    group by visitors.email
),

final as (
    select
        {{ keyed_hash('addresses.email') }} as profile_id,
        -- Short, for joins and sorting inside a build; only profile_id outlives it.
        row_number() over (order by addresses.email) as profile_key,
        addresses.email,
        least(
            addresses.first_seen_at,
            coalesce(first_visits.first_seen_at, addresses.first_seen_at)
        ) as first_seen_at
    from addresses
    left join first_visits on addresses.email = first_visits.email
)

select * from final
