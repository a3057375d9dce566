{{ config(materialized='view') }}
{#-
    The hashes find cheaply what may be equal. The address, which costs the most to
    normalise, is in them only where no message_id tells people apart.
-#}
with

events as (
    select * from {{ ref('stg_email__events') }}
    where occurred_at <= {{ as_of() }}
),

final as (
    select
        event_id,
        event_type,
        email,
        message_id,
        campaign_id,
        url,
        user_agent,
        ip,
        is_machine,
        bounce_type,
        provider,
        occurred_at,
        loaded_at,
        {{ row_hash([
            'message_id', 'event_type', 'occurred_at', 'url',
            'case when message_id is null then email end',
        ]) }} as content_hash,
        case
            when provider is not null and event_id is not null
                then {{ row_hash(['provider', 'event_id']) }}
        end as id_hash
    from events
)

select * from final
