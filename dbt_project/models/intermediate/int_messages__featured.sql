{#-
    Everything that happened to a profile is one stream, and features are sums over
    stretches of it that end before the message: opens and clicks 10 s and a microsecond
    before (a burst is recognised that late), the rest a microsecond before.
-#}
{%- set day = 24 * 60 * 60 * 1000000 -%}
{%- set settling = 10 * 1000000 + 1 -%}
with

messages as (
    select * from {{ ref('int_messages__sent') }}
),

campaigns as (
    select * from {{ ref('int_campaigns__versioned') }}
),

opens as (
    select * from {{ ref('int_engagements__collapsed') }}
    where event_type = 'open' and first_human_at is not null
),

clicks as (
    select * from {{ ref('int_engagements__collapsed') }}
    where event_type = 'click' and first_human_at is not null
),

-- Visits count from when it was known whose they were: not those before a log-in.
web_events as (
    select * from {{ ref('int_web_events__resolved') }}
    where known_from = occurred_at
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

orders as (
    select * from {{ ref('int_orders__versioned') }}
    where is_order and (superseded_at is null or superseded_at > known_from)
),

-- The campaign as it was described before anything was known of the message.
described_messages as (
    select
        messages.profile_key,
        messages.message_id,
        messages.received_at,
        messages.sent_at,
        campaigns.category
    from messages
    left join campaigns
        on
            messages.campaign_id = campaigns.campaign_id
            and (
                campaigns.updated_at is null
                or campaigns.updated_at < messages.received_at
            )
            and (
                campaigns.superseded_at is null
                or campaigns.superseded_at >= messages.received_at
            )
            -- Versions without a time have no order but that of the newest.
            and (campaigns.is_newest or campaigns.superseded_at is not null)
),

stream as (
    select
        profile_key,
        'received' as kind,
        message_id,
        category,
        case when received_at = sent_at then 1 else 0 end as change,
        sent_at as happened_at
    from described_messages
    union all
    -- A message that was delivered before its send counts from its delivery.
    select
        profile_key,
        'received' as kind,
        null as message_id,
        category,
        1 as change,
        received_at as happened_at
    from described_messages
    where received_at < sent_at
    union all
    -- The message that would be sent to everybody at as_of.
    select
        profile_key,
        'imagined' as kind,
        null as message_id,
        null as category,
        0 as change,
        {{ as_of() }} as happened_at
    from profiles
    union all
    select
        opens.profile_key,
        'opened' as kind,
        null as message_id,
        described_messages.category,
        1 as change,
        opens.first_human_at as happened_at
    from opens
    left join described_messages
        on
            opens.profile_key = described_messages.profile_key
            and opens.message_key = described_messages.message_id
    union all
    select
        profile_key,
        'clicked' as kind,
        null as message_id,
        null as category,
        1 as change,
        first_human_at as happened_at
    from clicks
    union all
    select
        profile_key,
        'visited' as kind,
        null as message_id,
        null as category,
        1 as change,
        min(occurred_at) as happened_at
    from web_events
    group by profile_key, cast(occurred_at as date)
    union all
    select
        profiles.profile_key,
        'ordered' as kind,
        null as message_id,
        null as category,
        1 as change,
        orders.known_from as happened_at
    from orders
    inner join profiles on orders.email = profiles.email
    union all
    -- A version that a newer one takes the place of: the order is counted by that one.
    select
        profiles.profile_key,
        'ordered' as kind,
        null as message_id,
        null as category,
        -1 as change,
        orders.superseded_at as happened_at
    from orders
    inner join profiles on orders.email = profiles.email
    where orders.superseded_at is not null
),

timed as (
    select
        profile_key,
        kind,
        message_id,
        category,
        {%- for kind in ['received', 'opened', 'clicked', 'visited', 'ordered'] %}
        case when kind = '{{ kind }}' then change else 0 end as {{ kind }},
        case when kind = '{{ kind }}' and change <> 0 then happened_at end
            as {{ kind }}_at,
        {%- endfor %}
        happened_at,
        {{ epoch_microseconds('happened_at') }} as happened_us
    from stream
),

measured as (
    select
        profile_key,
        kind,
        message_id,
        category,
        sum(received) over last_7_days as emails_received_last_7_days,
        sum(received) over last_30_days as emails_received_last_30_days,
        sum(received) over last_90_days as emails_received_last_90_days,
        sum(opened) over settled_last_7_days as emails_opened_last_7_days,
        sum(opened) over settled_last_30_days as emails_opened_last_30_days,
        sum(opened) over settled_last_90_days as emails_opened_last_90_days,
        sum(clicked) over settled_last_30_days as links_clicked_last_30_days,
        sum(clicked) over settled_last_90_days as links_clicked_last_90_days,
        sum(visited) over last_7_days as visit_days_last_7_days,
        sum(visited) over last_30_days as visit_days_last_30_days,
        sum(received) over past as lifetime_emails_received,
        sum(opened) over settled_past as lifetime_emails_opened,
        sum(clicked) over settled_past as lifetime_links_clicked,
        sum(ordered) over past as lifetime_orders,
        sum(received) over category_last_365_days
            as category_emails_received_last_365_days,
        sum(opened) over settled_category_last_365_days
            as category_emails_opened_last_365_days,
        happened_at as sent_at,
        min(received_at) over past as first_received_at,
        max(received_at) over past as last_received_at,
        max(opened_at) over settled_past as last_opened_at,
        max(clicked_at) over settled_past as last_clicked_at,
        max(visited_at) over past as last_visited_at
    from timed
    window
        {%- for days in [7, 30, 90] %}
        last_{{ days }}_days as (
            partition by profile_key
            order by happened_us
            range between {{ days * day - 1 }} preceding and 1 preceding
        ),
        settled_last_{{ days }}_days as (
            partition by profile_key
            order by happened_us
            range between {{ days * day - 1 }} preceding and {{ settling }} preceding
        ),
        {%- endfor %}
        past as (
            partition by profile_key
            order by happened_us
            range between unbounded preceding and 1 preceding
        ),
        settled_past as (
            partition by profile_key
            order by happened_us
            range between unbounded preceding and {{ settling }} preceding
        ),
        -- What the person made of mails about the same thing.
        category_last_365_days as (
            partition by profile_key, category
            order by happened_us
            range between {{ 365 * day - 1 }} preceding and 1 preceding
        ),
        settled_category_last_365_days as (
            partition by profile_key, category
            order by happened_us
            range between {{ 365 * day - 1 }} preceding and {{ settling }} preceding
        )
),

-- An empty stretch has no sum, which is a count of 0; a message without a category has
-- no counts by category.
counted as (
    select
        profile_key,
        message_id,
        {%- for measure in [
            'emails_received_last_7_days', 'emails_received_last_30_days',
            'emails_received_last_90_days', 'emails_opened_last_7_days',
            'emails_opened_last_30_days', 'emails_opened_last_90_days',
            'links_clicked_last_30_days', 'links_clicked_last_90_days',
            'visit_days_last_7_days', 'visit_days_last_30_days',
            'lifetime_emails_received', 'lifetime_emails_opened',
            'lifetime_links_clicked', 'lifetime_orders',
        ] %}
        cast(coalesce({{ measure }}, 0) as {{ dbt.type_bigint() }}) as {{ measure }},
        {%- endfor %}
        {%- for measure in [
            'category_emails_received_last_365_days',
            'category_emails_opened_last_365_days',
        ] %}
        cast(
            case when category is not null then coalesce({{ measure }}, 0) end
            as {{ dbt.type_bigint() }}
        ) as {{ measure }},
        {%- endfor %}
        sent_at,
        first_received_at,
        last_received_at,
        last_opened_at,
        last_clicked_at,
        last_visited_at
    from measured
    where kind = 'imagined' or message_id is not null
),

final as (
    select
        profile_key,
        message_id,
        sent_at,
        extract(hour from sent_at) as sent_hour,
        {{ day_of_week('sent_at') }} as sent_day_of_week,
        emails_received_last_7_days,
        emails_received_last_30_days,
        emails_received_last_90_days,
        emails_opened_last_7_days,
        emails_opened_last_30_days,
        emails_opened_last_90_days,
        links_clicked_last_30_days,
        links_clicked_last_90_days,
        visit_days_last_7_days,
        visit_days_last_30_days,
        lifetime_emails_received,
        lifetime_emails_opened,
        lifetime_links_clicked,
        lifetime_orders,
        category_emails_received_last_365_days,
        category_emails_opened_last_365_days,
        cast(emails_opened_last_90_days as double)
        / nullif(emails_received_last_90_days, 0) as open_rate_last_90_days,
        cast(lifetime_emails_opened as double)
        / nullif(lifetime_emails_received, 0) as lifetime_open_rate,
        cast(category_emails_opened_last_365_days as double)
        / nullif(category_emails_received_last_365_days, 0)
            as category_open_rate_last_365_days,
        {{ days_between('last_received_at', 'sent_at') }} as days_since_last_email,
        {{ days_between('last_opened_at', 'sent_at') }} as days_since_last_open,
        {{ days_between('last_clicked_at', 'sent_at') }} as days_since_last_click,
        {{ days_between('last_visited_at', 'sent_at') }} as days_since_last_visit,
        {{ days_between('first_received_at', 'sent_at') }} as days_since_first_email
    from counted
)

select * from final
