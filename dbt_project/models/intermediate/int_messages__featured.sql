{#-
    What was known of the recipient before each message, and the same for a message that would be
    sent to everybody at as_of (message_id null). Everything that happened to a profile is one stream,
    and features are sums over stretches of it that end before the message: opens and clicks 10 s and
    a microsecond before (a burst is recognised that late), the rest a microsecond before.
-#}
{%- set day = 24 * 60 * 60 * 1000000 -%}
{%- set engagement_lag = 10 * 1000000 + 1 -%}
with

messages as (
    select
        messages.profile_key,
        messages.message_id,
        messages.sent_at,
        campaigns.category
    from {{ ref('int_messages__sent') }} as messages
    -- The campaign as it was described before the sending.
    left join {{ ref('int_campaigns__versioned') }} as campaigns
        on
            messages.campaign_id = campaigns.campaign_id
            and (campaigns.updated_at is null or campaigns.updated_at < messages.sent_at)
            and (campaigns.superseded_at is null or campaigns.superseded_at >= messages.sent_at)
            and (campaigns.is_newest or campaigns.superseded_at is not null)
),

first_opens as (
    select
        profile_key,
        message_key,
        first_human_at
    from {{ ref('int_engagements__collapsed') }}
    where event_type = 'open' and first_human_at is not null
),

first_clicks as (
    select
        profile_key,
        first_human_at
    from {{ ref('int_engagements__collapsed') }}
    where event_type = 'click' and first_human_at is not null
),

-- Visits count from when it was known whose they were: those before a log-in are left out.
visit_days as (
    select
        profile_key,
        min(occurred_at) as visited_at
    from {{ ref('int_web_events__resolved') }}
    where known_from = occurred_at
    group by profile_key, cast(occurred_at as date)
),

order_changes as (
    select
        profiles.profile_key,
        orders.known_from as changed_at,
        1 as change
    from {{ ref('int_orders__versioned') }} as orders
    inner join {{ ref('int_profiles__resolved') }} as profiles on orders.email = profiles.email
    where
        orders.is_order
        and (orders.superseded_at is null or orders.superseded_at > orders.known_from)
    union all
    select
        profiles.profile_key,
        orders.superseded_at as changed_at,
        -1 as change
    from {{ ref('int_orders__versioned') }} as orders
    inner join {{ ref('int_profiles__resolved') }} as profiles on orders.email = profiles.email
    where orders.is_order and orders.superseded_at > orders.known_from
),

stream as (
    select
        profile_key,
        'received' as kind,
        sent_at as happened_at,
        message_id,
        category,
        1 as change
    from messages
    union all
    select
        profile_key,
        'none' as kind,
        {{ as_of() }} as happened_at,
        cast(null as {{ dbt.type_string() }}) as message_id,
        cast(null as {{ dbt.type_string() }}) as category,
        0 as change
    from {{ ref('int_profiles__resolved') }}
    union all
    select
        first_opens.profile_key,
        'opened' as kind,
        first_opens.first_human_at as happened_at,
        cast(null as {{ dbt.type_string() }}) as message_id,
        messages.category,
        1 as change
    from first_opens
    left join messages
        on
            first_opens.profile_key = messages.profile_key
            and first_opens.message_key = messages.message_id
    union all
    select
        profile_key,
        'clicked' as kind,
        first_human_at as happened_at,
        cast(null as {{ dbt.type_string() }}) as message_id,
        cast(null as {{ dbt.type_string() }}) as category,
        1 as change
    from first_clicks
    union all
    select
        profile_key,
        'visited' as kind,
        visited_at as happened_at,
        cast(null as {{ dbt.type_string() }}) as message_id,
        cast(null as {{ dbt.type_string() }}) as category,
        1 as change
    from visit_days
    union all
    select
        profile_key,
        'ordered' as kind,
        changed_at as happened_at,
        cast(null as {{ dbt.type_string() }}) as message_id,
        cast(null as {{ dbt.type_string() }}) as category,
        change
    from order_changes
),

timed as (
    select
        *,
        {{ epoch_microseconds('happened_at') }} as happened_us
    from stream
),

counted as (
    select
        profile_key,
        kind,
        message_id,
        category,
        happened_at as sent_at,
        {%- for measure, kind, lag, windows in [
            ('emails_received', 'received', 1, [7, 30, 90]),
            ('emails_opened', 'opened', engagement_lag, [7, 30, 90]),
            ('links_clicked', 'clicked', engagement_lag, [30, 90]),
            ('visit_days', 'visited', 1, [7, 30]),
        ] %}
        {%- for days in windows %}
        sum(case when kind = '{{ kind }}' then change else 0 end) over (
            partition by profile_key
            order by happened_us
            range between {{ days * day - 1 }} preceding and {{ lag }} preceding
        ) as {{ measure }}_last_{{ days }}_days,
        {%- endfor %}
        {%- endfor %}
        {%- for measure, kind, lag in [
            ('emails_received', 'received', 1),
            ('emails_opened', 'opened', engagement_lag),
            ('links_clicked', 'clicked', engagement_lag),
            ('orders', 'ordered', 1),
        ] %}
        sum(case when kind = '{{ kind }}' then change else 0 end) over (
            partition by profile_key
            order by happened_us
            range between unbounded preceding and {{ lag }} preceding
        ) as lifetime_{{ measure }},
        {%- endfor %}
        {%- for kind, lag in [
            ('received', 1), ('opened', engagement_lag), ('clicked', engagement_lag), ('visited', 1),
        ] %}
        max(case when kind = '{{ kind }}' then happened_at end) over (
            partition by profile_key
            order by happened_us
            range between unbounded preceding and {{ lag }} preceding
        ) as last_{{ kind }}_at,
        {%- endfor %}
        min(case when kind = 'received' then happened_at end) over (
            partition by profile_key
            order by happened_us
            range between unbounded preceding and 1 preceding
        ) as first_received_at,
        -- What the person made of mails about the same thing.
        {%- for measure, kind, lag in [
            ('emails_received', 'received', 1), ('emails_opened', 'opened', engagement_lag),
        ] %}
        case
            when category is not null
                then coalesce(
                    sum(case when kind = '{{ kind }}' then change else 0 end) over (
                        partition by profile_key, category
                        order by happened_us
                        range between {{ 365 * day - 1 }} preceding and {{ lag }} preceding
                    ),
                    0
                )
        end as category_{{ measure }}_last_365_days{{ "," if not loop.last }}
        {%- endfor %}
    from timed
),

final as (
    select
        profile_key,
        message_id,
        sent_at,
        extract(hour from sent_at) as sent_hour,
        {{ day_of_week('sent_at') }} as sent_day_of_week,
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
        cast(category_emails_received_last_365_days as {{ dbt.type_bigint() }})
            as category_emails_received_last_365_days,
        cast(category_emails_opened_last_365_days as {{ dbt.type_bigint() }})
            as category_emails_opened_last_365_days,
        cast(emails_opened_last_90_days as double)
        / nullif(emails_received_last_90_days, 0) as open_rate_last_90_days,
        cast(lifetime_emails_opened as double)
        / nullif(lifetime_emails_received, 0) as lifetime_open_rate,
        cast(category_emails_opened_last_365_days as double)
        / nullif(category_emails_received_last_365_days, 0) as category_open_rate_last_365_days,
        {{ days_between('last_received_at', 'sent_at') }} as days_since_last_email,
        {{ days_between('last_opened_at', 'sent_at') }} as days_since_last_open,
        {{ days_between('last_clicked_at', 'sent_at') }} as days_since_last_click,
        {{ days_between('last_visited_at', 'sent_at') }} as days_since_last_visit,
        {{ days_between('first_received_at', 'sent_at') }} as days_since_first_email
    from counted
    where kind in ('received', 'none')
)

select * from final
