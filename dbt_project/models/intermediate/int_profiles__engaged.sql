with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

windows as (
    select
        profile_key,
        event_type,
        last_human_at,
        last_machine_at,
        last_at,
        {{ as_of() }} as as_of_at
    from {{ ref('int_engagements__collapsed') }}
),

measured as (
    select
        windows.profile_key,
        max(case when windows.event_type = 'open' then windows.last_machine_at end)
            as last_machine_open_at,
        {%- for days in [7, 14, 30, 90] %}
        {%- for event_type, measure in [('open', 'emails_opened'), ('click', 'links_clicked')] %}
        count(
            case
                when
                    windows.event_type = '{{ event_type }}'
                    and {{ in_last_days('windows.last_human_at', days) }}
                    then 1
            end
        ) as {{ measure }}_last_{{ days }}_days,
        {%- endfor %}
        {%- endfor %}
        {%- for prefix in ['high', 'moderate', 'lapsing'] %}
        {%- for event_type, measure in [('open', 'opened'), ('click', 'clicked')] %}
        {%- for column, evidence in [('last_human_at', 'human'), ('last_at', 'any')] %}
        count(
            case
                when
                    windows.event_type = '{{ event_type }}'
                    and windows.{{ column }} > {{ timestamp_add(
                        'hour', '-24 * rules.' ~ prefix ~ '_window_days', 'windows.as_of_at'
                    ) }}
                    then 1
            end
        ) as {{ evidence }}_{{ measure }}_{{ prefix }},
        {%- endfor %}
        {%- endfor %}
        {%- endfor %}
        max(windows.last_human_at) as last_engaged_at
    from windows
    cross join {{ ref('int_tier_rules__pivoted') }} as rules
    group by windows.profile_key
),

final as (
    select
        profiles.profile_key,
        {%- for days in [7, 14, 30, 90] %}
        coalesce(measured.emails_opened_last_{{ days }}_days, 0) as emails_opened_last_{{ days }}_days,
        {%- endfor %}
        {%- for days in [7, 14, 30, 90] %}
        coalesce(measured.links_clicked_last_{{ days }}_days, 0) as links_clicked_last_{{ days }}_days,
        {%- endfor %}
        {{ engagement_tier('measured.human_clicked_{}', 'measured.human_opened_{}') }}
            as engagement_tier,
        {{ engagement_tier('measured.any_clicked_{}', 'measured.any_opened_{}') }}
            as engagement_tier_all_opens,
        {{ engagement_tier('measured.human_clicked_{}') }} as engagement_tier_clicks_only,
        measured.last_engaged_at,
        measured.last_machine_open_at
    from profiles
    left join measured on profiles.profile_key = measured.profile_key
    cross join {{ ref('int_tier_rules__pivoted') }} as rules
)

select * from final
