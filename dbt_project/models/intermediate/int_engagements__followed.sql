{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'message_hash': 'int_messages__touched'}}
    )
}}
{#-
    Narrow, as all opens and clicks are read for each cutoff: no text but the type. Of one
    email or link each knows its neighbours of the same evidence, so that one can be found
    that stands for all in a window. Of two at one instant it is all one which is first.
-#}
{%- set alike -%}
    partition by
        profile_key,
        message_hash,
        event_type,
        is_human,
        case when event_type = 'click' then url end
    order by occurred_at
{%- endset -%}
with

engagements as (
    select * from {{ ref('int_email_events__classified') }}
    where {{ is_touched('message_hash', ref('int_messages__touched')) }}
),

final as (
    select
        profile_key,
        message_hash,
        event_type,
        is_human,
        occurred_at,
        lag(occurred_at) over ({{ alike }}) as previous_at,
        lead(occurred_at) over ({{ alike }}) as next_at
    from engagements
)

select * from final
