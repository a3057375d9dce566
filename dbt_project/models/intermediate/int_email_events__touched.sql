{#-
    All events of the messages that are computed anew, read once for those who ask: none
    where all are.
-#}
with

messages as (
    select * from {{ ref('int_messages__touched') }}
),

final as (
    select *
    from {{ ref('int_email_events__deduplicated') }}
    where message_hash in (select messages.message_hash from messages)
)

select * from final
