{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'profile_key, visited_date': 'int_visits__touched'}}
    )
}}
-- depends_on: {{ ref('int_visits__touched') }}
with

events as (
    select events.*
    from {{ ref('int_web_events__resolved') }} as events
    {%- if continues_build() %}
    inner join {{ ref('int_visits__touched') }} as touched
        on
            events.profile_key = touched.profile_key
            and cast(events.occurred_at as date) = touched.visited_date
    {%- endif %}
),

final as (
    select
        profile_key,
        cast(occurred_at as date) as visited_date,
        min(occurred_at) as first_visited_at,
        -- Not a visit before a log-in: then nobody could tell whose it was.
        min(case when known_from = occurred_at then occurred_at end)
            as first_known_visit_at,
        max(known_from) as all_known_from,
        max(occurred_at) as last_visited_at,
        max(case when event_type = 'add_to_cart' then occurred_at end)
            as last_add_to_cart_at
    from events
    group by profile_key, cast(occurred_at as date)
)

select * from final
