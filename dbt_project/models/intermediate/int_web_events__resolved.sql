{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'content_hash': 'int_web_events__contested'}}
    )
}}
{#- Written like int_email_events__deduplicated, and for the same reason. -#}
{%- set content = [
    'anonymous_id', 'has_own_address', 'own_profile_key', 'event_type', 'occurred_at',
    'url', 'product_id',
] -%}
{%- set columns = [
    'profile_key', 'has_own_address', 'event_type', 'anonymous_id', 'session_id', 'url',
    'referrer', 'utm_source', 'utm_medium', 'utm_campaign', 'product_id',
    'category', 'device_type', 'country', 'region', 'city', 'quantity', 'unit_price',
    'occurred_at', 'known_from', 'content_hash', 'id_hash',
] -%}
{%- set arrived = ref('int_web_events__arrived') -%}
{%- set all = ref('int_web_events__hashed') -%}
{%- set contested = ref('int_web_events__contested') %}
with

repeated as (
    select * from {{ ref('int_web_events__repeated') }}
),

single_events as (
    {{ without_copies(anew_or_all(arrived, all), 'repeated', contested) }}
),

copied_events as (
    select * from {{ ref('int_web_events__copied') }}
    where {{ is_touched('content_hash', contested) }}
),

numbered_by_content as (
    select
        *,
        row_number() over (
            partition by {{ content | join(', ') }}
            order by
                event_id asc nulls last,
                session_id asc nulls last,
                referrer asc nulls last,
                utm_source asc nulls last,
                utm_medium asc nulls last,
                utm_campaign asc nulls last,
                category asc nulls last,
                quantity asc nulls last,
                unit_price asc nulls last,
                device_type asc nulls last,
                country asc nulls last,
                region asc nulls last,
                city asc nulls last,
                cast(properties as {{ dbt.type_string() }}) asc nulls last
        ) as content_copy
    from copied_events
),

numbered_by_id as (
    select
        *,
        row_number() over (
            partition by anonymous_id, has_own_address, own_profile_key, event_id
            order by
                occurred_at asc,
                event_type asc,
                url asc nulls last,
                product_id asc nulls last
        ) as id_copy
    from numbered_by_content
    where content_copy = 1
),

distinct_events as (
    select {{ columns | join(', ') }}
    from single_events
    union all
    select {{ columns | join(', ') }}
    from numbered_by_id
    where id_copy = 1 or event_id is null
),

final as (
    select
        profile_key,
        event_type,
        anonymous_id,
        session_id,
        url,
        referrer,
        utm_source,
        utm_medium,
        utm_campaign,
        product_id,
        category,
        device_type,
        country,
        region,
        city,
        not has_own_address as is_stitched,
        quantity,
        unit_price,
        occurred_at,
        known_from,
        content_hash,
        id_hash
    from distinct_events
)

select * from final
