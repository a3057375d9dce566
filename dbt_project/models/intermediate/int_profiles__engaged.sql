{%- set windows = [7, 14, 30, 90] -%}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

engagements as (
    select * from {{ ref('int_engagements__collapsed') }}
),

rules as (
    select * from {{ ref('int_tier_rules__pivoted') }}
),

measured as (
    select
        engagements.profile_key,
        {%- for days in windows %}
        {%- for event_type, measure in [
            ('open', 'emails_opened'), ('click', 'links_clicked'),
        ] %}
        count(
            case
                when
                    engagements.event_type = '{{ event_type }}'
                    and {{ in_last_days('engagements.last_human_at', days) }}
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
                    engagements.event_type = '{{ event_type }}'
                    and {{ in_last_days(
                        'engagements.' ~ newest, 'rules.' ~ prefix ~ '_window_days'
                    ) }}
                    then 1
            end
        ) as {{ evidence }}_{{ measure }}_{{ prefix }},
        {%- endfor %}
        {%- endfor %}
        {%- endfor %}
        max(engagements.last_human_at) as last_engaged_at,
        max(
            case
                when engagements.event_type = 'open' then engagements.last_machine_at
            end
        ) as last_machine_open_at
    from engagements
    cross join rules
    group by engagements.profile_key
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
        measured.last_engaged_at,
        measured.last_machine_open_at
    from profiles
    left join measured on profiles.profile_key = measured.profile_key
    cross join rules
)

select * from final
