{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'profile_key': 'int_visits__touched'}}
    )
}}
{#-
    Only places of the last 30 days count, so nobody looks further back. Who has not been
    seen since may still stand here with an older one.
-#}
with

web_events as (
    select * from {{ ref('int_web_events__resolved') }}
    where
        country is not null
        and {{ in_last_days('occurred_at', 30) }}
        and {{ is_touched('profile_key', ref('int_visits__touched')) }}
),

-- Before anything is sorted, so that few rows are.
newest as (
    select
        profile_key,
        max(occurred_at) as occurred_at
    from web_events
    group by profile_key
),

ranked as (
    select
        web_events.*,
        row_number() over (
            partition by web_events.profile_key
            order by
                web_events.country asc,
                web_events.region asc nulls last,
                web_events.city asc nulls last
        ) as place_rank
    from web_events
    inner join newest
        on
            web_events.profile_key = newest.profile_key
            and web_events.occurred_at = newest.occurred_at
),

final as (
    select
        profile_key,
        country,
        region,
        city,
        occurred_at as located_at
    from ranked
    where place_rank = 1
)

select * from final
