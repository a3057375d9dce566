{{ config(materialized='view') }}
{#-
    The hashes find cheaply what may be equal. The profile is in them only where no
    message_id tells people apart.
-#}
with

events as (
    select * from {{ ref('stg_email__events') }}
    where occurred_at <= {{ as_of() }}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

addresses as (
    select
        normalised.written_email,
        profiles.profile_key
    from {{ ref('int_addresses__normalised') }} as normalised
    inner join profiles on normalised.email = profiles.email
),

final as (
    select
        addresses.profile_key,
        events.event_id,
        events.event_type,
        events.message_id,
        events.campaign_id,
        events.url,
        events.user_agent,
        events.ip,
        events.is_machine,
        events.bounce_type,
        events.provider,
        events.occurred_at,
        events.loaded_at,
        {{ row_hash([
            'events.message_id', 'events.event_type', 'events.occurred_at', 'events.url',
            'case when events.message_id is null then addresses.profile_key end',
        ]) }} as content_hash,
        case
            when events.provider is not null and events.event_id is not null
                then {{ row_hash(['events.provider', 'events.event_id']) }}
        end as id_hash
    from events
    inner join addresses on events.written_email = addresses.written_email
)

select * from final
