with

members as (
    select * from {{ ref('profile_segments') }}
),

-- A build that goes back in time may find the stretch of then, which has ended since.
current_spells as (
    select * from {{ ref('fct_segment_spells') }}
    where
        entered_at <= {{ as_of() }}
        and (exited_at is null or exited_at > {{ as_of() }})
),

newest_spells as (
    select
        profile_id,
        segment,
        max(entered_at) as entered_at
    from current_spells
    group by profile_id, segment
),

final as (
    select
        members.profile_id,
        members.segment,
        members.attribute,
        coalesce(newest_spells.entered_at, {{ as_of() }}) as entered_at
    from members
    left join newest_spells
        on
            members.profile_id = newest_spells.profile_id
            and members.segment = newest_spells.segment
)

select * from final
