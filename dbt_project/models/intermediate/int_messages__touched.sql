{#-
    Messages about which any event has arrived or is settled anew: all of theirs is computed
    again. A click may make a burst of clicks up to 10 s before it.
-#}
with

arrived as (
    select
        profile_key,
        event_type,
        message_id,
        url,
        occurred_at
    from {{ ref('int_email_events__arrived') }}
),

settled as (
    select
        profile_key,
        event_type,
        message_id,
        url,
        occurred_at
    from {{ ref('int_email_events__copied') }}
    where content_hash in (
        select contested.content_hash
        from {{ ref('int_email_events__contested') }} as contested
    )
),

events as (
    select * from arrived
    union all
    select * from settled
),

hashed as (
    select
        *,
        {{ message_hash() }} as message_hash
    from events
),

final as (
    select
        message_hash,
        profile_key,
        max(case when event_type in ('sent', 'delivered') then 1 else 0 end) = 1
            as is_sent_anew,
        max(case when event_type in ('open', 'click') then 1 else 0 end) = 1
            as is_engaged_anew,
        {{ timestamp_add('second', -10, 'min(occurred_at)') }} as changed_from
    from hashed
    group by message_hash, profile_key
)

select * from final
