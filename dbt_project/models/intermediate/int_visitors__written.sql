with

arrived as (
    {{ arrived_rows(ref('stg_web__events'), 'web_events', ['occurred_at']) }}
),

events as (
    select * from arrived
    where occurred_at <= {{ as_of() }}
),

final as (
    select
        anonymous_id,
        written_email,
        min(occurred_at) as first_written_at
    from events
    group by anonymous_id, written_email
)

select * from final
