-- A tier without its row, or a half-life of 0, makes tiers and scores wrong without any
-- error.
with

tiers as (
    select * from {{ ref('engagement_tiers') }}
),

points as (
    select * from {{ ref('engagement_score_points') }}
),

expected as (
    {%- for tier, _ in tiers_with_a_rule() + [('inactive', '')] %}
    select
        'engagement_tiers' as seed,
        '{{ tier }}' as expected_row
    union all
    {%- endfor %}
    {%- for activity in ['email_opened', 'link_clicked', 'site_visit_day', 'order'] %}
    select
        'engagement_score_points' as seed,
        '{{ activity }}' as expected_row
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

present as (
    select
        'engagement_tiers' as seed,
        engagement_tier as present_row,
        engagement_tier = 'inactive'
        or coalesce(
            window_days > 0
            and min_emails_opened >= 0
            and min_links_clicked >= 0
            and min_emails_opened + min_links_clicked > 0
            and needs in ('both', 'either'),
            false
        ) as is_sound
    from tiers
    union all
    select
        'engagement_score_points' as seed,
        activity as present_row,
        coalesce(half_life_days > 0 and window_days > 0 and points >= 0, false)
            as is_sound
    from points
),

final as (
    select
        coalesce(expected.seed, present.seed) as seed,
        coalesce(expected.expected_row, present.present_row) as row_name,
        case
            when present.present_row is null then 'is missing'
            when expected.expected_row is null then 'is unknown'
            else 'has a number that cannot be'
        end as problem
    from expected
    full outer join present
        on
            expected.seed = present.seed
            and expected.expected_row = present.present_row
    where
        present.present_row is null
        or expected.expected_row is null
        or not present.is_sound
)

select * from final
