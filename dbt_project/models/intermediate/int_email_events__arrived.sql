{#- The events that the last finished build has not seen; none where nothing continues. -#}
with

final as (
    {{ arrived_rows(
        ref('int_email_events__hashed'), 'email_events', ['occurred_at'], else_none=true
    ) }}
)

select * from final
