{#- Of addresses there are far fewer than of events: who asks for them reads these. -#}
with

arrived as (
    {{ arrived_rows(ref('stg_email__events'), 'email_events', ['occurred_at']) }}
),

events as (
    select * from arrived
    where occurred_at <= {{ as_of() }}
),

final as (
    select
        written_email,
        min(occurred_at) as first_written_at
    from events
    where written_email is not null
    group by written_email
)

select * from final
