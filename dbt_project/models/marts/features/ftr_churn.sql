with

measured as (
    select * from {{ ref('int_cutoff_profiles__measured') }}
),

final as (
    select
        profiles.profile_id,
        measured.cutoff_at,
        {%- for days in [7, 30, 90] %}
        measured.emails_received_last_{{ days }}_days,
        {%- endfor %}
        {%- for measure in ['emails_opened', 'links_clicked'] %}
        {%- for days in [7, 14, 30, 90, 365] %}
        measured.{{ measure }}_last_{{ days }}_days,
        {%- endfor %}
        {%- endfor %}
        measured.emails_opened_by_machines_last_30_days,
        measured.complaints_last_365_days,
        measured.unsubscribes_last_365_days,
        measured.bounces_last_365_days,
        {%- for days in [7, 30, 90] %}
        measured.web_sessions_last_{{ days }}_days,
        {%- endfor %}
        measured.product_views_last_30_days,
        measured.adds_to_cart_last_30_days,
        {%- for days in [30, 90, 365] %}
        measured.orders_last_{{ days }}_days,
        {%- endfor %}
        measured.revenue_last_365_days,
        measured.lifetime_orders,
        measured.days_since_last_open,
        measured.days_since_last_click,
        measured.days_since_last_visit,
        measured.days_since_last_order,
        measured.days_since_first_email,
        churned.is_churned
    from measured
    inner join {{ ref('int_cutoff_profiles__churned') }} as churned
        on
            measured.cutoff_at = churned.cutoff_at
            and measured.profile_key = churned.profile_key
    inner join {{ ref('int_profiles__resolved') }} as profiles
        on measured.profile_key = profiles.profile_key
)

select * from final
