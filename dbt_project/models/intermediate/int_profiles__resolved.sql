{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        unique_key=['email']
    )
}}
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

seen as (
    select
        addresses.email,
        least(
            addresses.first_seen_at,
            coalesce(first_visits.first_seen_at, addresses.first_seen_at)
        ) as first_seen_at
    from addresses
    left join first_visits on addresses.email = first_visits.email
),

{% if continues_build() -%}
known as (
    select * from {{ this }}
),

highest_key as (
    select coalesce(max(profile_key), 0) as profile_key from known
),

-- Who has a key keeps it: the rows of other tables go by it.
new_profiles as (
    select
        {{ keyed_hash('seen.email') }} as profile_id,
        highest_key.profile_key + row_number() over (order by seen.email)
            as profile_key,
        seen.email,
        seen.first_seen_at
    from seen
    left join known on seen.email = known.email
    cross join highest_key
    where known.email is null
),

seen_earlier as (
    select
        known.profile_id,
        known.profile_key,
        known.email,
        seen.first_seen_at
    from known
    inner join seen on known.email = seen.email
    where known.first_seen_at <> seen.first_seen_at
),

final as (
    select * from new_profiles
    union all
    select * from seen_earlier
)
{%- else -%}
final as (
    select
        {{ keyed_hash('email') }} as profile_id,
        -- Short, for joins and sorting; only profile_id is known outside.
        row_number() over (order by email) as profile_key,
        email,
        first_seen_at
    from seen
)
{%- endif %}

select * from final
