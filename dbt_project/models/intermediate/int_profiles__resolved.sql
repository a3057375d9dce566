with

addresses as (
    select * from {{ ref('int_addresses__observed') }}
),

visitors as (
    select * from {{ ref('int_visitors__identified') }}
),

anonymous_events as (
    select * from {{ ref('stg_web__events') }}
    where
        occurred_at <= {{ as_of() }}
        and anonymous_id is not null
        and email is null
),

first_anonymous_events as (
    select
        anonymous_id,
        min(occurred_at) as first_seen_at
    from anonymous_events
    group by anonymous_id
),

-- What a visitor did before the log-in is the person's own history.
first_visits as (
    select
        visitors.email,
        min(first_anonymous_events.first_seen_at) as first_seen_at
    from visitors
    inner join first_anonymous_events
        on visitors.anonymous_id = first_anonymous_events.anonymous_id
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
