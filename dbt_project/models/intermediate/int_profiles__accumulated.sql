{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={
            'replaces': {'profile_key': 'int_profiles__touched'},
            'since': 'superseded_at'
        }
    )
}}
{#-
    An open or a click is known to be no burst's only 10 s later. Where a build goes on,
    what had come together when the first change came is added to what follows.
-#}
{%- set touched = ref('int_profiles__touched') %}
with

engagements as (
    select * from {{ ref('int_engagements__collapsed') }}
    where first_human_at is not null
),

known_engagements as (
    select
        engagements.profile_key,
        engagements.event_type,
        engagements.first_human_at,
        {{ timestamp_add('second', 10, 'engagements.first_human_at') }} as known_from
    from engagements
    {{ join_touched(
        'engagements',
        touched,
        since=timestamp_add('second', 10, 'engagements.first_human_at'),
    ) }}
),

-- Visits count from when it was known whose they were: not those before a log-in.
web_events as (
    select * from {{ ref('int_web_events__resolved') }}
    where known_from = occurred_at
),

visit_days as (
    select
        web_events.profile_key,
        min(web_events.occurred_at) as known_from
    from web_events
    {{ join_touched(
        'web_events', touched, since=end_of_day('web_events.occurred_at')
    ) }}
    group by web_events.profile_key, cast(web_events.occurred_at as date)
),

orders as (
    select
        profiles.profile_key,
        versions.known_from,
        versions.superseded_at
    from {{ ref('int_orders__versioned') }} as versions
    inner join {{ ref('int_profiles__resolved') }} as profiles
        on versions.email = profiles.email
    where
        versions.is_order
        and (
            versions.superseded_at is null
            or versions.superseded_at > versions.known_from
        )
),

changes as (
    select
        profile_key,
        case when event_type = 'open' then 1 else 0 end as emails_opened,
        case when event_type = 'click' then 1 else 0 end as links_clicked,
        0 as visit_days,
        0 as orders,
        case when event_type = 'open' then first_human_at end as opened_at,
        case when event_type = 'click' then first_human_at end as clicked_at,
        cast(null as timestamp) as visited_at,
        known_from
    from known_engagements
    union all
    select
        profile_key,
        0 as emails_opened,
        0 as links_clicked,
        1 as visit_days,
        0 as orders,
        cast(null as timestamp) as opened_at,
        cast(null as timestamp) as clicked_at,
        known_from as visited_at,
        known_from
    from visit_days
    union all
    select
        profile_key,
        0 as emails_opened,
        0 as links_clicked,
        0 as visit_days,
        1 as orders,
        cast(null as timestamp) as opened_at,
        cast(null as timestamp) as clicked_at,
        cast(null as timestamp) as visited_at,
        known_from
    from orders
    union all
    -- A version that a newer one takes the place of: the order is counted by that one.
    select
        profile_key,
        0 as emails_opened,
        0 as links_clicked,
        0 as visit_days,
        -1 as orders,
        cast(null as timestamp) as opened_at,
        cast(null as timestamp) as clicked_at,
        cast(null as timestamp) as visited_at,
        superseded_at as known_from
    from orders
    where superseded_at is not null
),

summed as (
    select
        changes.profile_key,
        sum(changes.emails_opened) as emails_opened,
        sum(changes.links_clicked) as links_clicked,
        sum(changes.visit_days) as visit_days,
        sum(changes.orders) as orders,
        max(changes.opened_at) as opened_at,
        max(changes.clicked_at) as clicked_at,
        max(changes.visited_at) as visited_at,
        changes.known_from
    from changes
    {{ join_touched('changes', touched, since='changes.known_from') }}
    group by changes.profile_key, changes.known_from
),

counted as (
    select * from summed
    -- An order that is only told of anew comes and goes at one instant.
    where orders <> 0 or emails_opened + links_clicked + visit_days > 0
    {%- if continues_build() %}
    union all
    select
        kept.profile_key,
        kept.emails_opened,
        kept.links_clicked,
        kept.visit_days,
        kept.orders,
        kept.last_opened_at as opened_at,
        kept.last_clicked_at as clicked_at,
        kept.last_visited_at as visited_at,
        kept.known_from
    from {{ this }} as kept
    {{ join_touched('kept', touched, since='kept.superseded_at') }}
    where kept.known_from < touched.changed_from
    {%- endif %}
),

final as (
    select
        profile_key,
        {%- for measure in ['emails_opened', 'links_clicked', 'visit_days', 'orders'] %}
        cast(
            sum({{ measure }}) over (
                partition by profile_key
                order by known_from
                rows between unbounded preceding and current row
            ) as {{ dbt.type_bigint() }}
        ) as {{ measure }},
        {%- endfor %}
        {%- for event in ['opened', 'clicked', 'visited'] %}
        max({{ event }}_at) over (
            partition by profile_key
            order by known_from
            rows between unbounded preceding and current row
        ) as last_{{ event }}_at,
        {%- endfor %}
        known_from,
        lead(known_from) over (
            partition by profile_key order by known_from
        ) as superseded_at
    from counted
)

select * from final
