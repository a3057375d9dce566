-- noqa: disable=layout.indent
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
{#
    What was known at each cutoff, and not a moment more, in one row.
#}
{% set mail_windows = [7, 30, 90] -%}
{%- set engagement_windows = [7, 14, 30, 90, 365] -%}
{%- set session_windows = [7, 30, 90] -%}
{%- set order_windows = [30, 90, 365] -%}
{%- set parts = ['engaged', 'mailed', 'browsed', 'shopped', 'lively'] -%}
with

active as (
    select active.*
    from {{ ref('int_cutoff_profiles__active') }} as active
    {{ join_due(ref('int_cutoff_profiles__due'), 'active', 'active') }}
),

{% for part in parts -%}
{{ part }} as (
    select * from {{ ref('int_cutoff_profiles__' ~ part) }}
),

{% endfor -%}
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
        mailed.complaints_last_365_days,
        mailed.unsubscribes_last_365_days,
        mailed.bounces_last_365_days,
        {%- for days in session_windows %}
        coalesce(browsed.web_sessions_last_{{ days }}_days, 0)
            as web_sessions_last_{{ days }}_days,
        {%- endfor %}
        coalesce(browsed.product_views_last_30_days, 0) as product_views_last_30_days,
        coalesce(browsed.adds_to_cart_last_30_days, 0) as adds_to_cart_last_30_days,
        {%- for days in order_windows %}
        coalesce(shopped.orders_last_{{ days }}_days, 0)
            as orders_last_{{ days }}_days,
        {%- endfor %}
        cast(coalesce(shopped.revenue_last_365_days, 0) as {{ type_double() }})
            as revenue_last_365_days,
        coalesce(shopped.lifetime_orders, 0) as lifetime_orders,
        {{ days_between('engaged.last_open_at', 'active.cutoff_at') }}
            as days_since_last_open,
        {{ days_between('engaged.last_click_at', 'active.cutoff_at') }}
            as days_since_last_click,
        {{ days_between('browsed.last_visited_at', 'active.cutoff_at') }}
            as days_since_last_visit,
        {{ days_between('shopped.last_order_at', 'active.cutoff_at') }}
            as days_since_last_order,
        mailed.lifetime_emails_received,
        coalesce(lively.active_days_last_365_days, 0) as active_days_last_365_days,
        {{ days_between('lively.last_active_at', 'active.cutoff_at') }}
            as days_since_last_activity,
        {{ days_between('mailed.last_mailed_at', 'active.cutoff_at') }}
            as days_since_last_email,
        {{ days_between('mailed.first_mailed_at', 'active.cutoff_at') }}
            as days_since_first_email
    from active
    {%- for part in parts %}
    left join {{ part }}
        on
            active.cutoff_at = {{ part }}.cutoff_at
            and active.profile_key = {{ part }}.profile_key
    {%- endfor %}
),

-- How much was to be expected of this person, had nothing changed: a rate of engagement
-- drawn towards 1 in 5 while little is known, and an age of 30 to 365 days.
rated as (
    select
        *,
        least(
            {{ quotient(
                '(emails_opened_last_365_days + 1.0)', '(lifetime_emails_received + 5.0)'
            ) }},
            0.99
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
