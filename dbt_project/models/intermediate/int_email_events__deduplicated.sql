{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'content_hash': 'int_email_events__contested'}}
    )
}}
{#-
    Nearly all events have no copies and pass unsorted; only those that may be copies meet
    the exact rules.
-#}
{%- set content = ['profile_key', 'message_id', 'event_type', 'occurred_at', 'url'] -%}
{%- set arrived = ref('int_email_events__arrived') -%}
{%- set all = ref('int_email_events__hashed') -%}
{%- set contested = ref('int_email_events__contested') %}
with

repeated as (
    select * from {{ ref('int_email_events__repeated') }}
),

single_events as (
    {{ without_copies(anew_or_all(arrived, all), 'repeated', contested) }}
),

copied_events as (
    select * from {{ ref('int_email_events__copied') }}
    where {{ is_touched('content_hash', contested) }}
),

numbered_by_content as (
    select
        *,
        row_number() over (
            partition by {{ content | join(', ') }}
            order by
                event_id asc nulls last,
                campaign_id asc nulls last,
                user_agent asc nulls last,
                ip asc nulls last,
                is_machine asc nulls last,
                bounce_type asc nulls last,
                provider asc nulls last
        ) as content_copy,
        -- The flag of any copy counts, also of one that is dropped here.
        max(case when is_machine then 1 else 0 end) over (
            partition by {{ content | join(', ') }}
        ) as flag
    from copied_events
),

numbered_by_id as (
    select
        *,
        row_number() over (
            partition by profile_key, provider, event_id
            order by
                occurred_at asc,
                message_id asc nulls last,
                event_type asc,
                url asc nulls last
        ) as id_copy
    from numbered_by_content
    where content_copy = 1
),

distinct_events as (
    select
        profile_key,
        event_type,
        message_id,
        campaign_id,
        url,
        user_agent,
        bounce_type,
        coalesce(is_machine, false) as is_flagged,
        occurred_at,
        content_hash,
        id_hash
    from single_events
    union all
    select
        profile_key,
        event_type,
        message_id,
        campaign_id,
        url,
        user_agent,
        bounce_type,
        flag = 1 as is_flagged,
        occurred_at,
        content_hash,
        id_hash
    from numbered_by_id
    where id_copy = 1 or provider is null or event_id is null
),

final as (
    select
        *,
        {{ message_hash() }} as message_hash
    from distinct_events
)

select * from final
