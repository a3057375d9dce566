{#
    Events with whose they are and with the hashes by which their copies are found. `events`
    are rows of staging: all of them, or few enough that nothing need be read for the rest.
    A content is one person's: what settles it anew then settles nothing of anybody else.
#}

{% macro hashed_email_events(events) -%}
    with

    happened as (
        select * from {{ events }}
        where occurred_at <= {{ as_of() }}
    ),

    addresses as (
        select * from {{ ref('int_addresses__profiled') }}
        where profile_key is not null
    )

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
        {{ row_hash([
            'events.message_id', 'events.event_type', 'events.occurred_at', 'events.url',
            'addresses.profile_key',
        ]) }} as content_hash,
        case
            when events.provider is not null and events.event_id is not null
                then {{ row_hash(['events.provider', 'events.event_id']) }}
        end as id_hash
    from happened as events
    inner join addresses on events.written_email = addresses.written_email
{%- endmacro %}


{% macro hashed_web_events(events) -%}
    with

    happened as (
        select * from {{ events }}
        where occurred_at <= {{ as_of() }}
    ),

    addresses as (
        select * from {{ ref('int_addresses__profiled') }}
    ),

    visitors as (
        select * from {{ ref('int_visitors__profiled') }}
    )

    -- An event with an address of its own is that person's, whoever else used the browser.
    -- With an address that is not valid the visitor stays an anonymous one.
    select
        case
            when addresses.written_email is not null then addresses.profile_key
            else visitors.profile_key
        end as profile_key,
        addresses.profile_key as own_profile_key,
        addresses.written_email is not null as has_own_address,
        -- Before the log-in nobody could tell whose event it was.
        case
            when
                addresses.written_email is null
                and visitors.identified_at > events.occurred_at
                then visitors.identified_at
            else events.occurred_at
        end as known_from,
        events.event_id,
        events.event_type,
        events.anonymous_id,
        events.session_id,
        events.url,
        events.referrer,
        events.utm_source,
        events.utm_medium,
        events.utm_campaign,
        events.product_id,
        events.category,
        events.device_type,
        events.country,
        events.region,
        events.city,
        events.properties,
        events.quantity,
        events.unit_price,
        events.occurred_at,
        {{ row_hash([
            'events.anonymous_id', 'events.event_type', 'events.occurred_at',
            'events.url', 'events.product_id',
            'addresses.profile_key',
        ]) }} as content_hash,
        case
            when events.event_id is not null
                then {{ row_hash(['events.anonymous_id', 'events.event_id']) }}
        end as id_hash
    from happened as events
    left join addresses on events.written_email = addresses.written_email
    left join visitors on events.anonymous_id = visitors.anonymous_id
    where
        case
            when addresses.written_email is not null then addresses.profile_key
            else visitors.profile_key
        end is not null
{%- endmacro %}
