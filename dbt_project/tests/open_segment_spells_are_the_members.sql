-- A member without an open spell has never entered, one spell too many never leaves.
-- Only the build that wrote the history is compared with it: one that goes back in
-- time, or is made again after more data came, leaves the history as it is.
with

builds as (
    select count(*) as recorded
    from {{ source('history', 'segment_builds') }}
    where
        as_of = {{ as_of() }}
        and built_at = {{ timestamp_literal(started_at()) }}
),

members as (
    select
        profile_id,
        segment
    from {{ ref('fct_segment_members') }}
),

open_spells as (
    select
        profile_id,
        segment
    from {{ ref('fct_segment_spells') }}
    where exited_at is null
),

final as (
    select
        coalesce(members.profile_id, open_spells.profile_id) as profile_id,
        coalesce(members.segment, open_spells.segment) as segment
    from members
    full outer join open_spells
        on
            members.profile_id = open_spells.profile_id
            and members.segment = open_spells.segment
    cross join builds
    where
        (members.profile_id is null or open_spells.profile_id is null)
        and builds.recorded > 0
)

select * from final
