-- noqa: disable=layout.indent
{#
    Profiles whose tiers may have changed since the last finished build, and from when on:
    an open or a click is judged anew, something has left a window, or the history begins
    earlier. None where all is computed anew.
#}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

touched_messages as (
    select * from {{ ref('int_messages__touched') }}
),

touched_profiles as (
    select * from {{ ref('int_profiles__touched') }}
),

engagements as (
    select * from {{ ref('int_email_events__classified') }}
),

tier_changes as (
    select * from {{ ref('int_engagement_tier_changes') }}
),

moves as (
    -- A delivery judges the clicks after it.
    select
        profile_key,
        changed_from
    from touched_messages
    where
        is_engaged_anew
        or message_hash in (select engagements.message_hash from engagements)
    union all
    select
        profiles.profile_key,
        touched_profiles.changed_from
    from touched_profiles
    inner join profiles on touched_profiles.profile_key = profiles.profile_key
    where touched_profiles.changed_from <= profiles.first_seen_at
    union all
    select
        profile_key,
        changed_at as changed_from
    from tier_changes
    where
        {%- if continues_build() %}
        changed_at > {{ last_as_of() }}
        and changed_at <= {{ as_of() }}
        {%- else %}
        false
        {%- endif %}
),

moved as (
    select
        profile_key,
        min(changed_from) as changed_from
    from moves
    group by profile_key
),

final as (
    select
        profiles.profile_id,
        moved.profile_key,
        moved.changed_from
    from moved
    inner join profiles on moved.profile_key = profiles.profile_key
)

select * from final
