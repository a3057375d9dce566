with

events as (
    select
        *,
        {{ row_hash([
            'anonymous_id', 'email', 'event_type', 'occurred_at', 'url', 'product_id',
        ]) }} as content_hash
    from {{ ref('stg_web__events') }}
    where
        occurred_at <= {{ as_of() }}
        and (anonymous_id is not null or email is not null)
),

visitors as (
    select * from {{ ref('int_visitors__identified') }}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

numbered_by_content as (
    {{ number_copies(
        'events',
        'content_hash',
        ['anonymous_id', 'email', 'event_type', 'occurred_at', 'url', 'product_id'],
        [
            'event_id nulls last', 'session_id nulls last', 'referrer nulls last',
            'utm_source nulls last', 'utm_medium nulls last', 'utm_campaign nulls last',
            'category nulls last', 'quantity nulls last', 'unit_price nulls last',
            'device_type nulls last', 'country nulls last', 'region nulls last',
            'city nulls last',
            'cast(properties as ' ~ dbt.type_string() ~ ') nulls last',
        ],
        'content_copy',
    ) }}
),

distinct_contents as (
    select
        *,
        case
            when event_id is not null
                then {{ row_hash(['anonymous_id', 'email', 'event_id']) }}
        end as id_hash
    from numbered_by_content
    where content_copy = 1
),

numbered_by_id as (
    {{ number_copies(
        'distinct_contents',
        'id_hash',
        ['anonymous_id', 'email', 'event_id'],
        ['occurred_at', 'event_type', 'url nulls last', 'product_id nulls last'],
        'id_copy',
    ) }}
),

distinct_events as (
    select * from numbered_by_id
    where id_copy = 1
),

-- An event with an address of its own is that person's, whoever else used the browser.
owned as (
    select
        distinct_events.*,
        coalesce(distinct_events.email, visitors.email) as owner_email,
        distinct_events.email is null as is_stitched,
        -- Before the log-in nobody could tell whose event it was.
        case
            when
                distinct_events.email is null
                and visitors.identified_at > distinct_events.occurred_at
                then visitors.identified_at
            else distinct_events.occurred_at
        end as known_from
    from distinct_events
    left join visitors
        on
            distinct_events.anonymous_id = visitors.anonymous_id
            and distinct_events.email is null
),

final as (
    select
        {{ content_id([
            'profiles.profile_id', 'owned.is_stitched', 'owned.anonymous_id',
            'owned.event_type', 'owned.occurred_at', 'owned.url', 'owned.product_id',
        ]) }} as web_event_id,
        profiles.profile_id,
        profiles.profile_key,
        owned.event_type,
        owned.anonymous_id,
        owned.session_id,
        owned.url,
        owned.referrer,
        owned.utm_source,
        owned.utm_medium,
        owned.utm_campaign,
        owned.product_id,
        owned.category,
        owned.device_type,
        owned.country,
        owned.region,
        owned.city,
        owned.is_stitched,
        owned.quantity,
        owned.unit_price,
        owned.occurred_at,
        owned.known_from
    from owned
    inner join profiles on owned.owner_email = profiles.email
)

select * from final
