{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'profile_key': 'int_profiles__touched'}}
    )
}}
{#- An open or a click is known to be no burst's only 10 s later. -#}
with

engagements as (
    select
        *,
        {{ timestamp_add('second', 10, 'first_human_at') }} as known_from
    from {{ ref('int_engagements__collapsed') }}
    where first_human_at is not null and {{ is_touched() }}
),

-- Visits count from when it was known whose they were: not those before a log-in.
web_events as (
    select * from {{ ref('int_web_events__resolved') }}
    where known_from = occurred_at and {{ is_touched() }}
),

visit_days as (
    select
        profile_key,
        min(occurred_at) as known_from
    from web_events
    group by profile_key, cast(occurred_at as date)
),

orders as (
    select * from {{ ref('int_orders__versioned') }}
    where is_order and (superseded_at is null or superseded_at > known_from)
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
    where {{ is_touched() }}
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
    from engagements
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
        profiles.profile_key,
        0 as emails_opened,
        0 as links_clicked,
        0 as visit_days,
        1 as orders,
        cast(null as timestamp) as opened_at,
        cast(null as timestamp) as clicked_at,
        cast(null as timestamp) as visited_at,
        orders.known_from
    from orders
    inner join profiles on orders.email = profiles.email
    union all
    -- A version that a newer one takes the place of: the order is counted by that one.
    select
        profiles.profile_key,
        0 as emails_opened,
        0 as links_clicked,
        0 as visit_days,
        -1 as orders,
        cast(null as timestamp) as opened_at,
        cast(null as timestamp) as clicked_at,
        cast(null as timestamp) as visited_at,
        orders.superseded_at as known_from
    from orders
    inner join profiles on orders.email = profiles.email
    where orders.superseded_at is not null
),

summed as (
    select
        profile_key,
        sum(emails_opened) as emails_opened,
        sum(links_clicked) as links_clicked,
        sum(visit_days) as visit_days,
        sum(orders) as orders,
        max(opened_at) as opened_at,
        max(clicked_at) as clicked_at,
        max(visited_at) as visited_at,
        known_from
    from changes
    group by profile_key, known_from
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
    from summed
    -- An order that is only told of anew comes and goes at one instant.
    where orders <> 0 or emails_opened + links_clicked + visit_days > 0
)

select * from final
