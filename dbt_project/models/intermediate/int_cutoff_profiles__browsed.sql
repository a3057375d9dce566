{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={
            'replaces': {'cutoff_at, profile_key': 'int_cutoff_profiles__due'},
            'keeps': {'cutoff_at': 'int_cutoffs__listed'}
        }
    )
}}
{#-
    Web events of a visitor count from the log-in on. They are named twice rather than
    imported once: a CTE with two readers would be kept in memory whole.
-#}
{%- set session_windows = [7, 30, 90] %}
with

active as (
    select
        active.*,
        {{ window_beginnings('active.cutoff_at', session_windows) }}
    from {{ ref('int_cutoff_profiles__active') }} as active
    {{ join_due(ref('int_cutoff_profiles__due'), 'active', 'active') }}
),

-- Of the newest cutoff it is known beforehand how far back its windows reach.
{%- set newest = in_last_days('events.occurred_at', session_windows | max) %}
visits_in_windows as (
    {%- for cutoffs, narrowed in [
        ('active.cutoff_at = ' ~ as_of(), 'and ' ~ newest),
        ('active.cutoff_at < ' ~ as_of(), ''),
    ] %}
    select
        active.*,
        events.session_id,
        events.event_type,
        events.occurred_at
    from active
    inner join {{ ref('int_web_events__resolved') }} as events
        on
            active.profile_key = events.profile_key
            and events.occurred_at <= active.cutoff_at
            and events.known_from <= active.cutoff_at
            and events.occurred_at > active.last_90_days_begin
            {{ narrowed }}
    where {{ cutoffs }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

-- A session is in a window if its newest event is.
sessions as (
    select
        cutoff_at,
        profile_key,
        session_id,
        {%- for event_type, measure in [
            ('product_view', 'product_views'), ('add_to_cart', 'adds_to_cart'),
        ] %}
        count(
            case
                when
                    event_type = '{{ event_type }}'
                    and occurred_at > last_30_days_begin
                    then 1
            end
        ) as {{ measure }}_last_30_days,
        {%- endfor %}
        max(occurred_at) as last_visited_at
    from visits_in_windows
    group by cutoff_at, profile_key, session_id
),

browsed as (
    select
        cutoff_at,
        profile_key,
        {%- for days in session_windows %}
        count(
            case
                when {{ in_last_days('last_visited_at', days, 'cutoff_at') }}
                    then session_id
            end
        ) as web_sessions_last_{{ days }}_days,
        {%- endfor %}
        sum(product_views_last_30_days) as product_views_last_30_days,
        sum(adds_to_cart_last_30_days) as adds_to_cart_last_30_days
    from sessions
    group by cutoff_at, profile_key
),

-- Days of which the cutoff parts what was known from what was not.
parted_days as (
    select distinct
        active.cutoff_at,
        active.profile_key,
        visited.visited_date
    from active
    inner join {{ ref('int_profiles__visited') }} as visited
        on
            active.profile_key = visited.profile_key
            and visited.first_visited_at <= active.cutoff_at
            and visited.all_known_from > active.cutoff_at
),

-- Few, if any; not joined at once, or all events would be kept in memory for it.
parted_events as (
    select * from {{ ref('int_web_events__resolved') }}
    where profile_key in (select parted_days.profile_key from parted_days)
),

-- Of the others the last visit is on record.
visits as (
    select
        active.cutoff_at,
        active.profile_key,
        visited.last_visited_at as visited_at
    from active
    inner join {{ ref('int_profiles__visited') }} as visited
        on
            active.profile_key = visited.profile_key
            and visited.all_known_from <= active.cutoff_at
    union all
    select
        parted_days.cutoff_at,
        parted_days.profile_key,
        events.occurred_at as visited_at
    from parted_days
    inner join parted_events as events
        on
            parted_days.profile_key = events.profile_key
            and parted_days.visited_date = cast(events.occurred_at as date)
            and events.known_from <= parted_days.cutoff_at
),

last_visits as (
    select
        cutoff_at,
        profile_key,
        max(visited_at) as last_visited_at
    from visits
    group by cutoff_at, profile_key
),

final as (
    select
        last_visits.cutoff_at,
        last_visits.profile_key,
        {%- for days in session_windows %}
        coalesce(browsed.web_sessions_last_{{ days }}_days, 0)
            as web_sessions_last_{{ days }}_days,
        {%- endfor %}
        {%- for measure in ['product_views', 'adds_to_cart'] %}
        cast(
            coalesce(browsed.{{ measure }}_last_30_days, 0) as {{ dbt.type_bigint() }}
        ) as {{ measure }}_last_30_days,
        {%- endfor %}
        last_visits.last_visited_at
    from last_visits
    left join browsed
        on
            last_visits.cutoff_at = browsed.cutoff_at
            and last_visits.profile_key = browsed.profile_key
)

select * from final
