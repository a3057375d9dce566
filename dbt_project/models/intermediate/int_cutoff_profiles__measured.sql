-- noqa: disable=layout.indent
{#
    What was known at each cutoff, and not a moment more: opens and clicks up to 10 s
    before (a burst is recognised that late), web events of a visitor from the log-in
    on, orders as they stood.
#}
{% set mail_windows = [7, 30, 90] -%}
{%- set engagement_windows = [7, 14, 30, 90, 365] -%}
{%- set session_windows = [7, 30, 90] -%}
{%- set order_windows = [30, 90, 365] -%}
with

active as (
    select
        *,
        {{ timestamp_add('second', -10, 'cutoff_at') }} as settled_at
    from {{ ref('int_cutoff_profiles__active') }}
),

cutoffs as (
    select
        cutoff_at,
        lag(cutoff_at) over (order by cutoff_at) as previous_cutoff_at
    from {{ ref('int_cutoffs__listed') }}
),

email_engagements as (
    select
        *,
        case when event_type = 'click' then url end as clicked_url
    from {{ ref('int_email_events__classified') }}
),

messages as (
    select * from {{ ref('int_messages__sent') }}
),

refusals as (
    select * from {{ ref('int_email_events__deduplicated') }}
    where event_type in ('complaint', 'unsubscribe', 'bounce')
),

web_events as (
    select * from {{ ref('int_web_events__resolved') }}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

orders as (
    select * from {{ ref('int_orders__versioned') }}
    where is_order
),

engagements as (
    select
        active.cutoff_at,
        active.profile_key,
        events.event_type,
        events.message_key,
        events.clicked_url,
        max(case when events.is_human then events.occurred_at end) as last_human_at,
        max(case when not events.is_human then events.occurred_at end)
            as last_machine_at
    from active
    inner join email_engagements as events
        on
            active.profile_key = events.profile_key
            and events.occurred_at <= active.settled_at
            and {{ in_last_days('events.occurred_at', 365, 'active.cutoff_at') }}
    group by
        active.cutoff_at,
        active.profile_key,
        events.event_type,
        events.message_key,
        events.clicked_url
),

engaged as (
    select
        cutoff_at,
        profile_key,
        {%- for event_type, measure in [
            ('open', 'emails_opened'), ('click', 'links_clicked'),
        ] %}
        {%- for days in engagement_windows %}
        count(
            case
                when
                    event_type = '{{ event_type }}'
                    and {{ in_last_days('last_human_at', days, 'cutoff_at') }}
                    then 1
            end
        ) as {{ measure }}_last_{{ days }}_days,
        {%- endfor %}
        max(case when event_type = '{{ event_type }}' then last_human_at end)
            as last_{{ event_type }}_at,
        {%- endfor %}
        count(
            case
                when
                    event_type = 'open'
                    and {{ in_last_days('last_machine_at', 30, 'cutoff_at') }}
                    then 1
            end
        ) as emails_opened_by_machines_last_30_days
    from engagements
    group by cutoff_at, profile_key
),

-- From which cutoff on a message, or a visit, is known: what holds at a cutoff is the
-- sum, the least or the greatest of all cutoffs up to it.
messages_by_cutoff as (
    select
        messages.profile_key,
        cutoffs.cutoff_at,
        count(*) as emails_received,
        min(messages.received_at) as first_mailed_at,
        max(messages.received_at) as last_mailed_at
    from messages
    inner join cutoffs
        on
            messages.received_at <= cutoffs.cutoff_at
            and (
                messages.received_at > cutoffs.previous_cutoff_at
                or cutoffs.previous_cutoff_at is null
            )
    group by messages.profile_key, cutoffs.cutoff_at
),

mailed_ever as (
    select
        active.cutoff_at,
        active.profile_key,
        sum(messages.emails_received) as lifetime_emails_received,
        min(messages.first_mailed_at) as first_mailed_at,
        max(messages.last_mailed_at) as last_mailed_at
    from active
    inner join messages_by_cutoff as messages
        on
            active.profile_key = messages.profile_key
            and messages.cutoff_at <= active.cutoff_at
    group by active.cutoff_at, active.profile_key
),

mailed as (
    select
        active.cutoff_at,
        active.profile_key,
        {%- for days in mail_windows %}
        count(
            case
                when
                    {{ in_last_days('messages.received_at', days, 'active.cutoff_at') }}
                    then 1
            end
        ) as emails_received_last_{{ days }}_days
        {{- "," if not loop.last }}
        {%- endfor %}
    from active
    inner join messages
        on
            active.profile_key = messages.profile_key
            and messages.received_at <= active.cutoff_at
            and {{ in_last_days(
                'messages.received_at', mail_windows | max, 'active.cutoff_at'
            ) }}
    group by active.cutoff_at, active.profile_key
),

refused as (
    select
        active.cutoff_at,
        active.profile_key,
        count(case when refusals.event_type = 'complaint' then 1 end)
            as complaints_last_365_days,
        count(case when refusals.event_type = 'unsubscribe' then 1 end)
            as unsubscribes_last_365_days,
        count(case when refusals.event_type = 'bounce' then 1 end)
            as bounces_last_365_days
    from active
    inner join refusals
        on
            active.profile_key = refusals.profile_key
            and refusals.occurred_at <= active.cutoff_at
            and {{ in_last_days('refusals.occurred_at', 365, 'active.cutoff_at') }}
    group by active.cutoff_at, active.profile_key
),

-- A session is in a window if its newest event is.
sessions as (
    select
        active.cutoff_at,
        active.profile_key,
        events.session_id,
        {%- for event_type, measure in [
            ('product_view', 'product_views'), ('add_to_cart', 'adds_to_cart'),
        ] %}
        count(
            case
                when
                    events.event_type = '{{ event_type }}'
                    and {{ in_last_days('events.occurred_at', 30, 'active.cutoff_at') }}
                    then 1
            end
        ) as {{ measure }}_last_30_days,
        {%- endfor %}
        max(events.occurred_at) as last_visited_at
    from active
    inner join web_events as events
        on
            active.profile_key = events.profile_key
            and events.occurred_at <= active.cutoff_at
            and events.known_from <= active.cutoff_at
            and {{ in_last_days(
                'events.occurred_at', session_windows | max, 'active.cutoff_at'
            ) }}
    group by active.cutoff_at, active.profile_key, events.session_id
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

visits as (
    select
        web_events.profile_key,
        cutoffs.cutoff_at,
        max(web_events.occurred_at) as occurred_at
    from web_events
    inner join cutoffs
        on
            web_events.known_from <= cutoffs.cutoff_at
            and (
                web_events.known_from > cutoffs.previous_cutoff_at
                or cutoffs.previous_cutoff_at is null
            )
    group by web_events.profile_key, cutoffs.cutoff_at
),

last_visits as (
    select
        active.cutoff_at,
        active.profile_key,
        max(visits.occurred_at) as last_visited_at
    from active
    inner join visits
        on
            active.profile_key = visits.profile_key
            and visits.cutoff_at <= active.cutoff_at
    group by active.cutoff_at, active.profile_key
),

shopped as (
    select
        active.cutoff_at,
        active.profile_key,
        {%- for days in order_windows %}
        count(
            case
                when {{ in_last_days('orders.ordered_at', days, 'active.cutoff_at') }}
                    then 1
            end
        ) as orders_last_{{ days }}_days,
        {%- endfor %}
        sum(
            case
                when {{ in_last_days('orders.ordered_at', 365, 'active.cutoff_at') }}
                    then orders.revenue_amount
            end
        ) as revenue_last_365_days,
        count(*) as lifetime_orders,
        max(orders.ordered_at) as last_order_at
    from active
    inner join profiles on active.profile_key = profiles.profile_key
    inner join orders
        on
            profiles.email = orders.email
            and orders.known_from <= active.cutoff_at
            and (
                orders.superseded_at is null
                or orders.superseded_at > active.cutoff_at
            )
    group by active.cutoff_at, active.profile_key
),

-- Days on which the person opened, clicked or ordered.
activities as (
    select
        active.cutoff_at,
        active.profile_key,
        events.occurred_at
    from active
    inner join email_engagements as events
        on
            active.profile_key = events.profile_key
            and events.is_human
            and events.occurred_at <= active.settled_at
            and {{ in_last_days('events.occurred_at', 365, 'active.cutoff_at') }}
    union all
    select
        active.cutoff_at,
        active.profile_key,
        orders.ordered_at as occurred_at
    from active
    inner join profiles on active.profile_key = profiles.profile_key
    inner join orders
        on
            profiles.email = orders.email
            and orders.known_from <= active.cutoff_at
            and (
                orders.superseded_at is null
                or orders.superseded_at > active.cutoff_at
            )
            and {{ in_last_days('orders.ordered_at', 365, 'active.cutoff_at') }}
),

active_days as (
    select
        cutoff_at,
        profile_key,
        cast(occurred_at as date) as active_date,
        max(occurred_at) as last_active_at
    from activities
    group by cutoff_at, profile_key, cast(occurred_at as date)
),

lively as (
    select
        cutoff_at,
        profile_key,
        count(*) as active_days_last_365_days,
        max(last_active_at) as last_active_at
    from active_days
    group by cutoff_at, profile_key
),

measured as (
    select
        active.cutoff_at,
        active.profile_key,
        {%- for days in mail_windows %}
        coalesce(mailed.emails_received_last_{{ days }}_days, 0)
            as emails_received_last_{{ days }}_days,
        {%- endfor %}
        {%- for measure in ['emails_opened', 'links_clicked'] %}
        {%- for days in engagement_windows %}
        coalesce(engaged.{{ measure }}_last_{{ days }}_days, 0)
            as {{ measure }}_last_{{ days }}_days,
        {%- endfor %}
        {%- endfor %}
        coalesce(engaged.emails_opened_by_machines_last_30_days, 0)
            as emails_opened_by_machines_last_30_days,
        coalesce(refused.complaints_last_365_days, 0) as complaints_last_365_days,
        coalesce(refused.unsubscribes_last_365_days, 0) as unsubscribes_last_365_days,
        coalesce(refused.bounces_last_365_days, 0) as bounces_last_365_days,
        {%- for days in session_windows %}
        coalesce(browsed.web_sessions_last_{{ days }}_days, 0)
            as web_sessions_last_{{ days }}_days,
        {%- endfor %}
        {%- for measure in ['product_views', 'adds_to_cart'] %}
        cast(
            coalesce(browsed.{{ measure }}_last_30_days, 0) as {{ dbt.type_bigint() }}
        ) as {{ measure }}_last_30_days,
        {%- endfor %}
        {%- for days in order_windows %}
        coalesce(shopped.orders_last_{{ days }}_days, 0)
            as orders_last_{{ days }}_days,
        {%- endfor %}
        cast(coalesce(shopped.revenue_last_365_days, 0) as double)
            as revenue_last_365_days,
        coalesce(shopped.lifetime_orders, 0) as lifetime_orders,
        {{ days_between('engaged.last_open_at', 'active.cutoff_at') }}
            as days_since_last_open,
        {{ days_between('engaged.last_click_at', 'active.cutoff_at') }}
            as days_since_last_click,
        {{ days_between('last_visits.last_visited_at', 'active.cutoff_at') }}
            as days_since_last_visit,
        {{ days_between('shopped.last_order_at', 'active.cutoff_at') }}
            as days_since_last_order,
        cast(
            coalesce(mailed_ever.lifetime_emails_received, 0) as {{ dbt.type_bigint() }}
        ) as lifetime_emails_received,
        coalesce(lively.active_days_last_365_days, 0) as active_days_last_365_days,
        {{ days_between('lively.last_active_at', 'active.cutoff_at') }}
            as days_since_last_activity,
        {{ days_between('mailed_ever.last_mailed_at', 'active.cutoff_at') }}
            as days_since_last_email,
        {{ days_between('mailed_ever.first_mailed_at', 'active.cutoff_at') }}
            as days_since_first_email
    from active
    left join engaged
        on
            active.cutoff_at = engaged.cutoff_at
            and active.profile_key = engaged.profile_key
    left join mailed
        on
            active.cutoff_at = mailed.cutoff_at
            and active.profile_key = mailed.profile_key
    left join refused
        on
            active.cutoff_at = refused.cutoff_at
            and active.profile_key = refused.profile_key
    left join browsed
        on
            active.cutoff_at = browsed.cutoff_at
            and active.profile_key = browsed.profile_key
    left join last_visits
        on
            active.cutoff_at = last_visits.cutoff_at
            and active.profile_key = last_visits.profile_key
    left join mailed_ever
        on
            active.cutoff_at = mailed_ever.cutoff_at
            and active.profile_key = mailed_ever.profile_key
    left join lively
        on
            active.cutoff_at = lively.cutoff_at
            and active.profile_key = lively.profile_key
    left join shopped
        on
            active.cutoff_at = shopped.cutoff_at
            and active.profile_key = shopped.profile_key
),

-- How much was to be expected of this person, had nothing changed: a rate of engagement
-- drawn towards 1 in 5 while little is known, and an age of 30 to 365 days.
rated as (
    select
        *,
        least(
            (emails_opened_last_365_days + 1.0) / (lifetime_emails_received + 5.0), 0.99
        ) as open_rate,
        greatest(least(coalesce(days_since_first_email, 60.0), 365.0), 30.0) as age_days
    from measured
),

final as (
    select
        *,
        orders_last_365_days * 30.0 / age_days
        - emails_received_last_30_days * ln(1.0 - open_rate)
            as expected_engagements_next_30_days,
        days_since_last_activity * active_days_last_365_days / age_days
            as expected_active_days_since_last_activity
    from rated
)

select * from final
