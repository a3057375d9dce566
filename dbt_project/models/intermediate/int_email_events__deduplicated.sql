with

events as (
    select
        profiles.profile_id,
        profiles.profile_key,
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
        {{ row_hash([
            'profiles.profile_key', 'events.message_id', 'events.event_type',
            'events.occurred_at', 'events.url',
        ]) }} as content_hash
    from {{ ref('stg_email__events') }} as events
    inner join {{ ref('int_profiles__resolved') }} as profiles on events.email = profiles.email
    where events.occurred_at <= {{ as_of() }}
),

numbered_by_content as (
    {{ number_copies(
        'events',
        'content_hash',
        ['profile_key', 'message_id', 'event_type', 'occurred_at', 'url'],
        [
            'event_id nulls last', 'campaign_id nulls last', 'user_agent nulls last',
            'ip nulls last', 'is_machine nulls last', 'bounce_type nulls last',
            'provider nulls last',
        ],
        'content_copy',
    ) }}
),

-- The flag of any copy counts, also of one that is dropped here.
flagged_copies as (
    select distinct
        content_hash,
        profile_key,
        message_id,
        event_type,
        occurred_at,
        url
    from numbered_by_content
    where content_copy > 1 and is_machine
),

distinct_contents as (
    select
        events.*,
        coalesce(events.is_machine, false) or flagged_copies.content_hash is not null as is_flagged,
        case
            when events.provider is not null and events.event_id is not null
                then {{ row_hash(['events.profile_key', 'events.provider', 'events.event_id']) }}
        end as id_hash
    from numbered_by_content as events
    left join flagged_copies
        on
            events.content_hash = flagged_copies.content_hash
            and events.profile_key = flagged_copies.profile_key
            and events.message_id is not distinct from flagged_copies.message_id
            and events.event_type = flagged_copies.event_type
            and events.occurred_at = flagged_copies.occurred_at
            and events.url is not distinct from flagged_copies.url
    where events.content_copy = 1
),

numbered_by_id as (
    {{ number_copies(
        'distinct_contents',
        'id_hash',
        ['profile_key', 'provider', 'event_id'],
        ['occurred_at', 'message_id nulls last', 'event_type', 'url nulls last'],
        'id_copy',
    ) }}
),

distinct_events as (
    select
        *,
        {{ content_id(['profile_id', 'message_id', 'event_type', 'occurred_at', 'url']) }}
            as email_event_id
    from numbered_by_id
    where id_copy = 1
),

final as (
    select
        email_event_id,
        profile_id,
        profile_key,
        event_type,
        message_id,
        -- Without a message_id an event is a message of its own.
        coalesce(message_id, 'event:' || email_event_id) as message_key,
        campaign_id,
        url,
        user_agent,
        ip,
        bounce_type,
        provider,
        is_flagged,
        occurred_at
    from distinct_events
)

select * from final
