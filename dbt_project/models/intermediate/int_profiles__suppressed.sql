{%- set is_refusal -%}
    (events.event_type in ('complaint', 'unsubscribe')
    or (events.event_type = 'bounce' and events.bounce_type = 'hard'))
{%- endset -%}
{#-
    Suppressions as of as_of, and as delivery hears them: whatever the as_of, every bounce, complaint
    and unsubscribe in the raw tables counts there, and no grant after as_of lifts one.
-#}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

-- The marts ask the distinct events; delivery hears every copy of one, also what a copy alone says.
refusals as (
    select
        profiles.email,
        events.event_type,
        events.occurred_at as known_at,
        cast(null as timestamp) as heard_at
    from {{ ref('int_email_events__deduplicated') }} as events
    inner join profiles on events.profile_key = profiles.profile_key
    where {{ is_refusal }}
    union all
    select
        events.email,
        events.event_type,
        cast(null as timestamp) as known_at,
        events.occurred_at as heard_at
    from {{ ref('stg_email__events') }} as events
    where {{ is_refusal }}
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

grants as (
    select
        email,
        max(recorded_at) as granted_at
    from {{ ref('stg_crm__consents') }}
    where
        purpose = 'email_marketing'
        and status = 'granted'
        and recorded_at <= {{ as_of() }}
    group by email
),

destination_refusals as (
    select
        profile_id,
        min(case when answered_at <= {{ as_of() }} then 1 else 2 end) as known_rank
    from {{ ref('stg_esp__receipts') }}
    where outcome = 'suppressed'
    group by profile_id
),

standing as (
    select
        refusals.email,
        max(
            case
                when refusals.event_type = 'bounce' and refusals.known_at is not null then 1 else 0
            end
        ) as is_hard_bounce_known,
        max(case when refusals.event_type = 'bounce' then 1 else 0 end) as is_hard_bounce_heard,
        {%- for event_type in ['complaint', 'unsubscribe'] %}
        {%- for evidence in ['known', 'heard'] %}
        max(
            case
                when
                    refusals.event_type = '{{ event_type }}'
                    and refusals.{{ evidence }}_at is not null
                    and (grants.granted_at is null or grants.granted_at <= refusals.{{ evidence }}_at)
                    then 1
                else 0
            end
        ) as is_{{ event_type }}_{{ evidence }}{{ "," if not loop.last }}
        {%- endfor %}{{ "," if not loop.last }}
        {%- endfor %}
    from newest_refusals as refusals
    left join grants on refusals.email = grants.email
    group by refusals.email
),

final as (
    select
        profiles.profile_key,
        case
            when standing.is_hard_bounce_known = 1 then 'hard_bounce'
            when destination_refusals.known_rank = 1 then 'destination'
            when standing.is_complaint_known = 1 then 'complaint'
            when standing.is_unsubscribe_known = 1 then 'unsubscribe'
        end as suppression_reason,
        case
            when standing.is_hard_bounce_heard = 1 then 'hard_bounce'
            when destination_refusals.profile_id is not null then 'destination'
            when standing.is_complaint_heard = 1 then 'complaint'
            when standing.is_unsubscribe_heard = 1 then 'unsubscribe'
        end as delivery_suppression_reason
    from profiles
    left join standing on profiles.email = standing.email
    left join destination_refusals on profiles.profile_id = destination_refusals.profile_id
    where standing.email is not null or destination_refusals.profile_id is not null
)

select * from final
