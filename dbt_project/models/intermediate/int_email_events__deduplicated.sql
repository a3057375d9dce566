{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'profile_key': 'int_profiles__touched'}}
    )
}}
{#-
    Nearly all events have no copies and pass unsorted; only those that may be copies meet
    the exact rules. The relations are named twice rather than imported once: a wide CTE
    with two readers would be kept in memory whole.
-#}
{%- set content = ['profile_key', 'message_id', 'event_type', 'occurred_at', 'url'] -%}
with

repeated_hashes as (
    select * from {{ ref('int_email_events__repeated') }}
),

single_events as (
    {{ without_copies(ref('int_email_events__hashed'), 'repeated_hashes') }}
),

possible_copies as (
    {{ with_possible_copies(ref('int_email_events__hashed'), 'repeated_hashes') }}
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
    from possible_copies
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

final as (
    select
        profile_key,
        event_type,
        message_id,
        campaign_id,
        url,
        user_agent,
        bounce_type,
        coalesce(is_machine, false) as is_flagged,
        occurred_at
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
        occurred_at
    from numbered_by_id
    where id_copy = 1 or provider is null or event_id is null
)

select * from final
