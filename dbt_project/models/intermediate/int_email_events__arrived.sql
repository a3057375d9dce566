{#- Events that the last finished build has not seen; none where nothing continues. -#}
with

events as (
    {{ arrived_rows(
        ref('stg_email__events'), 'email_events', ['occurred_at'], else_none=true
    ) }}
),

final as (
    {{ hashed_email_events('events') }}
)

select * from final
