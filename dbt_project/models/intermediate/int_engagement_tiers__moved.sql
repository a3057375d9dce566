{#-
    Profiles whose tiers may have changed: those that are computed anew, and those of whom
    something has left a window since the last finished build.
-#}
-- depends_on: {{ ref('int_profiles__touched') }}
-- depends_on: {{ ref('int_engagement_tier_changes') }}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
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
            select changes.profile_key
            from {{ ref('int_engagement_tier_changes') }} as changes
            where
                changes.changed_at > {{ last_as_of() }}
                and changes.changed_at <= {{ as_of() }}
        )
    {%- endif %}
)

select * from final
