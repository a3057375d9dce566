-- Two ways to one tier: the newest counts of a profile, and the running sums of its
-- whole history. A window that ends a microsecond early in one of them shows here and
-- nowhere else.
with

profiles as (
    select * from {{ ref('dim_profiles') }}
),

current_spells as (
    select * from {{ ref('fct_engagement_tier_spells') }}
    where valid_to is null
),

final as (
    select
        profiles.profile_id,
        profiles.engagement_tier,
        current_spells.engagement_tier as spell_tier
    from profiles
    left join current_spells on profiles.profile_id = current_spells.profile_id
    where
        current_spells.engagement_tier is null
        or current_spells.engagement_tier <> profiles.engagement_tier
)

select * from final
