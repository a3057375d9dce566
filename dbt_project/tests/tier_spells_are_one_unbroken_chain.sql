-- A spell too many or too few leaves a gap, an overlap, a stretch of no length or two
-- neighbours of one tier; whoever asks for the tier of a past day then gets none, or
-- two.
with

spells as (
    select
        *,
        lag(valid_to) over (
            partition by profile_id order by valid_from
        ) as previous_valid_to,
        lag(engagement_tier) over (
            partition by profile_id order by valid_from
        ) as previous_tier,
        row_number() over (partition by profile_id order by valid_from) as spell_number,
        lead(valid_from) over (
            partition by profile_id order by valid_from
        ) as next_valid_from
    from {{ ref('fct_engagement_tier_spells') }}
),

final as (
    select
        profiles.profile_id,
        profiles.first_seen_at,
        spells.valid_from,
        spells.valid_to
    from {{ ref('dim_profiles') }} as profiles
    left join spells on profiles.profile_id = spells.profile_id
    where
        spells.profile_id is null
        or (spells.spell_number = 1 and spells.valid_from <> profiles.first_seen_at)
        or (spells.spell_number > 1 and spells.previous_valid_to is null)
        or spells.valid_from <> spells.previous_valid_to
        or spells.engagement_tier = spells.previous_tier
        or spells.valid_to <= spells.valid_from
        or (spells.next_valid_from is null and spells.valid_to is not null)
)

select * from final
