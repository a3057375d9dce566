with

members as (
    select * from {{ ref('profile_segments') }}
),

-- The stretch that holds at as_of; a build that goes back in time may find one that has ended since.
current_spells as (
    select
        profile_id,
        segment,
        max(entered_at) as entered_at
    from {{ ref('fct_segment_spells') }}
    where
        entered_at <= {{ as_of() }}
        and (exited_at is null or exited_at > {{ as_of() }})
    group by profile_id, segment
),

final as (
    select
        members.profile_id,
        members.segment,
        members.attribute,
        coalesce(current_spells.entered_at, {{ as_of() }}) as entered_at
    from members
    left join current_spells
        on
            members.profile_id = current_spells.profile_id
            and members.segment = current_spells.segment
)

select * from final
