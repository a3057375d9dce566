{#-
    Profiles whose tiers may have changed: those that are computed anew, and those of whom
    something has left a window since the last finished build.
-#}
-- depends_on: {{ ref('int_profiles__touched') }}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

tier_changes as (
    select * from {{ ref('int_engagement_tier_changes') }}
),

final as (
    select
        profile_id,
        profile_key
    from profiles
    {%- if continues_build() %}
    where
        {{ is_touched() }}
        or profile_key in (
            select tier_changes.profile_key from tier_changes
            where
                tier_changes.changed_at > {{ last_as_of() }}
                and tier_changes.changed_at <= {{ as_of() }}
        )
    {%- endif %}
)

select * from final
