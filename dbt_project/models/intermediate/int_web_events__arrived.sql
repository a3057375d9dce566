{#- Events that the last finished build has not seen; none where nothing continues. -#}
with

events as (
    {{ arrived_rows(
        ref('stg_web__events'), 'web_events', ['occurred_at'], else_none=true
    ) }}
),

final as (
    {{ hashed_web_events('events') }}
)

select * from final
