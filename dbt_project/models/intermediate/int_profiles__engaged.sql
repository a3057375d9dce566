{%- set windows = [7, 14, 30, 90] -%}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

rules as (
    select * from {{ ref('int_tier_rules__pivoted') }}
),

ever as (
    select
        profile_key,
        max(last_human_at) as last_engaged_at,
        max(case when event_type = 'open' then last_machine_at end)
            as last_machine_open_at
    from {{ ref('int_engagements__collapsed') }}
    group by profile_key
),

-- What is in no window is not asked which windows it is in.
recent as (
    select engagements.*
    from {{ ref('int_engagements__collapsed') }} as engagements
    cross join rules
    where
        {{ in_last_days('engagements.last_at', windows | max) }}
        {%- for tier, prefix in tiers_with_a_rule() %}
        or {{ in_last_days('engagements.last_at', 'rules.' ~ prefix ~ '_window_days') }}
        {%- endfor %}
),

measured as (
    select
        {%- for days in windows %}
        {%- for event_type, measure in [
            ('open', 'emails_opened'), ('click', 'links_clicked'),
        ] %}
        count(
            case
                when
                    recent.event_type = '{{ event_type }}'
                    and {{ in_last_days('recent.last_human_at', days) }}
                    then 1
            end
        ) as {{ measure }}_last_{{ days }}_days,
        {%- endfor %}
        {%- endfor %}
        {%- for tier, prefix in tiers_with_a_rule() %}
        {%- for event_type, measure in [('open', 'opened'), ('click', 'clicked')] %}
        {%- for evidence, newest in [('human', 'last_human_at'), ('any', 'last_at')] %}
        count(
            case
                when
                    recent.event_type = '{{ event_type }}'
                    and {{ in_last_days(
                        'recent.' ~ newest, 'rules.' ~ prefix ~ '_window_days'
                    ) }}
                    then 1
            end
        ) as {{ evidence }}_{{ measure }}_{{ prefix }},
        {%- endfor %}
        {%- endfor %}
        {%- endfor %}
        recent.profile_key
    from recent
    cross join rules
    group by recent.profile_key
),

final as (
    select
        profiles.profile_key,
        {%- for measure in ['emails_opened', 'links_clicked'] %}
        {%- for days in windows %}
        coalesce(measured.{{ measure }}_last_{{ days }}_days, 0)
            as {{ measure }}_last_{{ days }}_days,
        {%- endfor %}
        {%- endfor %}
        {{ engagement_tier('measured.human_clicked_{}', 'measured.human_opened_{}') }}
            as engagement_tier,
        {{ engagement_tier('measured.any_clicked_{}', 'measured.any_opened_{}') }}
            as engagement_tier_all_opens,
        {{ engagement_tier('measured.human_clicked_{}') }}
            as engagement_tier_clicks_only,
        ever.last_engaged_at,
        ever.last_machine_open_at
    from profiles
    left join ever on profiles.profile_key = ever.profile_key
    left join measured on profiles.profile_key = measured.profile_key
    cross join rules
)

select * from final
