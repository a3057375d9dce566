with

raw_events as (
    select * from {{ ref('stg_email__events') }}
    where occurred_at <= {{ as_of() }}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

events as (
    select
        profiles.profile_id,
        profiles.profile_key,
        raw_events.event_id,
        raw_events.event_type,
        raw_events.message_id,
        raw_events.campaign_id,
        raw_events.url,
        raw_events.user_agent,
        raw_events.ip,
        raw_events.is_machine,
        raw_events.bounce_type,
        raw_events.provider,
        raw_events.occurred_at,
        {{ row_hash([
            'profiles.profile_key', 'raw_events.message_id', 'raw_events.event_type',
            'raw_events.occurred_at', 'raw_events.url',
        ]) }} as content_hash
    from raw_events
    inner join profiles on raw_events.email = profiles.email
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
        copies.*,
        coalesce(copies.is_machine, false) or flagged_copies.content_hash is not null
            as is_flagged,
        case
            when copies.provider is not null and copies.event_id is not null
                then {{ row_hash([
                    'copies.profile_key', 'copies.provider', 'copies.event_id',
                ]) }}
        end as id_hash
    from numbered_by_content as copies
    left join flagged_copies
        on
            -- The hash is for speed, the rest for truth.
            copies.content_hash = flagged_copies.content_hash
            and copies.profile_key = flagged_copies.profile_key
            and copies.message_id is not distinct from flagged_copies.message_id
            and copies.event_type = flagged_copies.event_type
            and copies.occurred_at = flagged_copies.occurred_at
            and copies.url is not distinct from flagged_copies.url
    where copies.content_copy = 1
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
        {{ content_id([
            'profile_id', 'message_id', 'event_type', 'occurred_at', 'url',
        ]) }} as email_event_id
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
