{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key=['profile_id', 'segment', 'entered_at'],
        full_refresh=false,
        on_schema_change='append_new_columns',
        post_hook="
            insert into {{ source('history', 'segment_builds') }}
            select this_build.*
            from (
                select
                    {{ as_of() }} as as_of,
                    {{ timestamp_literal(started_at()) }} as built_at
            ) as this_build
            where not exists (
                select 1 from {{ source('history', 'segment_builds') }}
                where as_of >= {{ as_of() }}
            )
        "
    )
}}
{#-
    History: what each build saw, kept through full refreshes. Only a build that is
    newer than all on record writes; a repeated one and one that goes back in time leave
    the history as it is.
-#}
with

members as (
    select * from {{ ref('profile_segments') }}
),

newer_builds as (
    select count(*) as builds
    from {{ source('history', 'segment_builds') }}
    where as_of >= {{ as_of() }}
),

open_spells as (
    select * from {{ this }}
    where exited_at is null
),

entered as (
    select
        members.profile_id,
        members.segment,
        {{ as_of() }} as entered_at,
        cast(null as timestamp) as exited_at
    from members
    left join open_spells
        on
            members.profile_id = open_spells.profile_id
            and members.segment = open_spells.segment
    where open_spells.profile_id is null
),

exited as (
    select
        open_spells.profile_id,
        open_spells.segment,
        open_spells.entered_at,
        {{ as_of() }} as exited_at
    from open_spells
    left join members
        on
            open_spells.profile_id = members.profile_id
            and open_spells.segment = members.segment
    where members.profile_id is null
),

changed as (
    select * from entered
    union all
    select * from exited
),

final as (
    select
        changed.profile_id,
        changed.segment,
        changed.entered_at,
        changed.exited_at
    from changed
    cross join newer_builds
    where newer_builds.builds = 0
)

select * from final
