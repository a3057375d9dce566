{#-
    Suppressions as of as_of, and as delivery hears them: whatever the as_of, every
    bounce, complaint and unsubscribe in the raw tables counts there, and no grant after
    as_of lifts one.
-#}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

distinct_refusals as (
    select * from {{ ref('int_refusals__deduplicated') }}
),

heard_refusals as (
    select * from {{ ref('int_refusals__heard') }}
),

grants as (
    select * from {{ ref('int_consents__heard') }}
    where purpose = 'email_marketing' and granted_at is not null
),

receipts as (
    select * from {{ ref('stg_esp__receipts') }}
    where outcome = 'suppressed'
),

-- The marts ask the distinct events; delivery hears every copy of one, also what a copy
-- alone says.
refusals as (
    select
        profiles.email,
        distinct_refusals.event_type,
        distinct_refusals.occurred_at as known_at,
        cast(null as timestamp) as heard_at
    from distinct_refusals
    inner join profiles on distinct_refusals.profile_key = profiles.profile_key
    union all
    select
        email,
        event_type,
        cast(null as timestamp) as known_at,
        heard_at
    from heard_refusals
),

newest_refusals as (
    select
        email,
        event_type,
        max(known_at) as known_at,
        max(heard_at) as heard_at
    from refusals
    group by email, event_type
),

standing as (
    select
        newest_refusals.email,
        newest_refusals.event_type,
        newest_refusals.known_at is not null
        and (
            newest_refusals.event_type = 'bounce'
            or grants.granted_at is null
            or grants.granted_at <= newest_refusals.known_at
        ) as is_known,
        newest_refusals.heard_at is not null
        and (
            newest_refusals.event_type = 'bounce'
            or grants.granted_at is null
            or grants.granted_at <= newest_refusals.heard_at
        ) as is_heard
    from newest_refusals
    left join grants on newest_refusals.email = grants.email
),

refused_by_destinations as (
    select
        profile_id,
        min(answered_at) <= {{ as_of() }} as is_known
    from receipts
    group by profile_id
),

final as (
    select
        profiles.profile_key,
        case
            when bounces.is_known then 'hard_bounce'
            when refused_by_destinations.is_known then 'destination'
            when complaints.is_known then 'complaint'
            when unsubscribes.is_known then 'unsubscribe'
        end as suppression_reason,
        case
            when bounces.is_heard then 'hard_bounce'
            when refused_by_destinations.profile_id is not null then 'destination'
            when complaints.is_heard then 'complaint'
            when unsubscribes.is_heard then 'unsubscribe'
        end as delivery_suppression_reason
    from profiles
    left join standing as bounces
        on profiles.email = bounces.email and bounces.event_type = 'bounce'
    left join standing as complaints
        on profiles.email = complaints.email and complaints.event_type = 'complaint'
    left join standing as unsubscribes
        on
            profiles.email = unsubscribes.email
            and unsubscribes.event_type = 'unsubscribe'
    left join refused_by_destinations
        on profiles.profile_id = refused_by_destinations.profile_id
    where
        bounces.email is not null
        or complaints.email is not null
        or unsubscribes.email is not null
        or refused_by_destinations.profile_id is not null
)

select * from final
