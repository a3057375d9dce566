-- A member without an open spell has never entered, one spell too many never leaves;
-- only a build that goes back in time may differ from the history, which it leaves as
-- it is.
with

builds as (
    select max(as_of) as newest_as_of
    from {{ source('history', 'segment_builds') }}
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
        and builds.newest_as_of = {{ as_of() }}
)

select * from final
