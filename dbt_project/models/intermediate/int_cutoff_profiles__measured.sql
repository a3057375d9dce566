{#-
    What was known of the active profiles at each cutoff, and not a moment more: opens and clicks up
    to 10 s before (a burst is recognised that late), web events of a visitor from the log-in on,
    orders as they stood.
-#}
with

active as (
    select * from {{ ref('int_cutoff_profiles__active') }}
),

engagements as (
    select
        active.cutoff_at,
        active.profile_key,
        events.event_type,
        events.message_key,
        case when events.event_type = 'click' then events.url end as url,
        max(case when events.is_human then events.occurred_at end) as last_human_at,
        max(case when not events.is_human then events.occurred_at end) as last_machine_at
    from active
    inner join {{ ref('int_email_events__classified') }} as events
        on
            active.profile_key = events.profile_key
            and events.occurred_at <= {{ timestamp_add('second', -10, 'active.cutoff_at') }}
            and events.occurred_at > {{ timestamp_add('hour', '-24 * 365', 'active.cutoff_at') }}
    group by
        active.cutoff_at,
        active.profile_key,
        events.event_type,
        events.message_key,
        case when events.event_type = 'click' then events.url end
),

engaged as (
    select
        cutoff_at,
        profile_key,
        {%- for event_type, measure in [('open', 'emails_opened'), ('click', 'links_clicked')] %}
        {%- for days in [7, 14, 30, 90, 365] %}
        count(
            case
                when
                    event_type = '{{ event_type }}'
                    and last_human_at > {{ timestamp_add('hour', -24 * days, 'cutoff_at') }}
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
                    and last_machine_at > {{ timestamp_add('hour', -24 * 30, 'cutoff_at') }}
                    then 1
            end
        ) as emails_opened_by_machines_last_30_days
    from engagements
    group by cutoff_at, profile_key
),

mailed as (
    select
        active.cutoff_at,
        active.profile_key,
        {%- for days in [7, 30, 90] %}
        count(
            case
                when messages.sent_at > {{ timestamp_add('hour', -24 * days, 'active.cutoff_at') }}
                    then 1
            end
        ) as emails_received_last_{{ days }}_days,
        {%- endfor %}
        min(messages.sent_at) as first_mailed_at
    from active
    inner join {{ ref('int_messages__sent') }} as messages
        on
            active.profile_key = messages.profile_key
            and messages.sent_at <= active.cutoff_at
    group by active.cutoff_at, active.profile_key
),

complained as (
    select
        active.cutoff_at,
        active.profile_key,
        count(case when events.event_type = 'complaint' then 1 end) as complaints_last_365_days,
        count(case when events.event_type = 'unsubscribe' then 1 end) as unsubscribes_last_365_days,
        count(case when events.event_type = 'bounce' then 1 end) as bounces_last_365_days
    from active
    inner join {{ ref('int_email_events__deduplicated') }} as events
        on
            active.profile_key = events.profile_key
            and events.event_type in ('complaint', 'unsubscribe', 'bounce')
            and events.occurred_at <= active.cutoff_at
            and events.occurred_at > {{ timestamp_add('hour', '-24 * 365', 'active.cutoff_at') }}
    group by active.cutoff_at, active.profile_key
),

browsed as (
    select
        active.cutoff_at,
        active.profile_key,
        {%- for days in [7, 30, 90] %}
        count(
            distinct case
                when events.occurred_at > {{ timestamp_add('hour', -24 * days, 'active.cutoff_at') }}
                    then events.session_id
            end
        ) as web_sessions_last_{{ days }}_days,
        {%- endfor %}
        {%- for event_type, measure in [
            ('product_view', 'product_views'), ('add_to_cart', 'adds_to_cart'),
        ] %}
        count(
            case
                when
                    events.event_type = '{{ event_type }}'
                    and events.occurred_at > {{ timestamp_add('hour', -24 * 30, 'active.cutoff_at') }}
                    then 1
            end
        ) as {{ measure }}_last_30_days,
        {%- endfor %}
        max(events.occurred_at) as last_visited_at
    from active
    inner join {{ ref('int_web_events__resolved') }} as events
        on
            active.profile_key = events.profile_key
            and events.occurred_at <= active.cutoff_at
            and events.known_from <= active.cutoff_at
            and events.occurred_at > {{ timestamp_add('hour', '-24 * 365', 'active.cutoff_at') }}
    group by active.cutoff_at, active.profile_key
),

shopped as (
    select
        active.cutoff_at,
        active.profile_key,
        {%- for days in [30, 90, 365] %}
        count(
            case
                when orders.ordered_at > {{ timestamp_add('hour', -24 * days, 'active.cutoff_at') }}
                    then 1
            end
        ) as orders_last_{{ days }}_days,
        {%- endfor %}
        sum(
            case
                when orders.ordered_at > {{ timestamp_add('hour', '-24 * 365', 'active.cutoff_at') }}
                    then orders.total_amount
            end
        ) as revenue_last_365_days,
        count(*) as lifetime_orders,
        max(orders.ordered_at) as last_order_at
    from active
    inner join {{ ref('int_profiles__resolved') }} as profiles
        on active.profile_key = profiles.profile_key
    inner join {{ ref('int_orders__versioned') }} as orders
        on
            profiles.email = orders.email
            and orders.is_order
            and orders.known_from <= active.cutoff_at
            and (orders.superseded_at is null or orders.superseded_at > active.cutoff_at)
    group by active.cutoff_at, active.profile_key
),

final as (
    select
        active.cutoff_at,
        active.profile_key,
        {%- for days in [7, 30, 90] %}
        coalesce(mailed.emails_received_last_{{ days }}_days, 0)
            as emails_received_last_{{ days }}_days,
        {%- endfor %}
        {%- for measure in ['emails_opened', 'links_clicked'] %}
        {%- for days in [7, 14, 30, 90, 365] %}
        coalesce(engaged.{{ measure }}_last_{{ days }}_days, 0) as {{ measure }}_last_{{ days }}_days,
        {%- endfor %}
        {%- endfor %}
        coalesce(engaged.emails_opened_by_machines_last_30_days, 0)
            as emails_opened_by_machines_last_30_days,
        {%- for measure in ['complaints', 'unsubscribes', 'bounces'] %}
        coalesce(complained.{{ measure }}_last_365_days, 0) as {{ measure }}_last_365_days,
        {%- endfor %}
        {%- for days in [7, 30, 90] %}
        coalesce(browsed.web_sessions_last_{{ days }}_days, 0) as web_sessions_last_{{ days }}_days,
        {%- endfor %}
        coalesce(browsed.product_views_last_30_days, 0) as product_views_last_30_days,
        coalesce(browsed.adds_to_cart_last_30_days, 0) as adds_to_cart_last_30_days,
        {%- for days in [30, 90, 365] %}
        coalesce(shopped.orders_last_{{ days }}_days, 0) as orders_last_{{ days }}_days,
        {%- endfor %}
        cast(coalesce(shopped.revenue_last_365_days, 0) as double)
            as revenue_last_365_days,
        coalesce(shopped.lifetime_orders, 0) as lifetime_orders,
        {{ days_between('engaged.last_open_at', 'active.cutoff_at') }} as days_since_last_open,
        {{ days_between('engaged.last_click_at', 'active.cutoff_at') }} as days_since_last_click,
        {{ days_between('browsed.last_visited_at', 'active.cutoff_at') }} as days_since_last_visit,
        {{ days_between('shopped.last_order_at', 'active.cutoff_at') }} as days_since_last_order,
        {{ days_between('mailed.first_mailed_at', 'active.cutoff_at') }} as days_since_first_email
    from active
    left join engaged
        on active.cutoff_at = engaged.cutoff_at and active.profile_key = engaged.profile_key
    left join mailed
        on active.cutoff_at = mailed.cutoff_at and active.profile_key = mailed.profile_key
    left join complained
        on active.cutoff_at = complained.cutoff_at and active.profile_key = complained.profile_key
    left join browsed
        on active.cutoff_at = browsed.cutoff_at and active.profile_key = browsed.profile_key
    left join shopped
        on active.cutoff_at = shopped.cutoff_at and active.profile_key = shopped.profile_key
)

select * from final
