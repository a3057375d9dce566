-- noqa: disable=layout.indent
with

tiers as (
    select * from {{ ref('engagement_tiers') }}
),

final as (
    select
        {%- for tier, prefix in tiers_with_a_rule() %}
        max(case when engagement_tier = '{{ tier }}' then window_days end)
            as {{ prefix }}_window_days,
        max(case when engagement_tier = '{{ tier }}' then min_emails_opened end)
            as {{ prefix }}_min_opened,
        max(case when engagement_tier = '{{ tier }}' then min_links_clicked end)
            as {{ prefix }}_min_clicked,
        max(
            case
                when engagement_tier = '{{ tier }}' and needs = 'both' then 1
                else 0
            end
        ) = 1 as {{ prefix }}_needs_both{{ "," if not loop.last }}
        {%- endfor %}
    from tiers
)

select * from final
