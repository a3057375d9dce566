{#-
    Days of which the visits of a profile are gathered anew: a visit has arrived, is settled
    anew, or was of somebody else until it was known who the visitor is.
-#}
with

settled as (
    select * from {{ ref('int_web_events__copied') }}
    where content_hash in (
        select contested.content_hash
        from {{ ref('int_web_events__contested') }} as contested
    )
),

reidentified_visitors as (
    select * from {{ ref('int_visitors__reidentified') }}
),

-- Whoever the visitor's events belonged to before, was seen with the visitor once.
possible_owners as (
    select
        observed.anonymous_id,
        profiles.profile_key
    from reidentified_visitors
    inner join {{ ref('int_visitors__observed') }} as observed
        on reidentified_visitors.anonymous_id = observed.anonymous_id
    inner join {{ ref('int_profiles__resolved') }} as profiles
        on observed.email = profiles.email
),

visits as (
    select
        profile_key,
        occurred_at
    from {{ ref('int_web_events__arrived') }}
    union all
    select
        profile_key,
        occurred_at
    from settled
    union all
    select
        possible_owners.profile_key,
        settled.occurred_at
    from possible_owners
    inner join settled on possible_owners.anonymous_id = settled.anonymous_id
),

final as (
    select distinct
        profile_key,
        cast(occurred_at as date) as visited_date
    from visits
)

select * from final
