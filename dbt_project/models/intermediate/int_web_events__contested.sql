{#-
    Contents that are settled anew where a build goes on: those that may have copies among
    what has arrived, those of visitors of whom it is known only now who they are, and those
    of people who are to be computed again.
-#}
with

arrived as (
    select * from {{ ref('int_web_events__arrived') }}
),

repeated as (
    select * from {{ ref('int_web_events__repeated') }}
),

renewed as (
    select * from {{ ref('stg_web__events') }}
    where
        anonymous_id in (
            select visitors.anonymous_id
            from {{ ref('int_visitors__reidentified') }} as visitors
        )
    union all
    select * from {{ ref('stg_web__events') }}
    where
        written_email in (
            select addresses.written_email
            from {{ ref('int_addresses__normalised') }} as addresses
            where {{ is_to_rebuild('addresses.email') }}
        )
    union all
    select * from {{ ref('stg_web__events') }}
    where
        anonymous_id in (
            select visitors.anonymous_id
            from {{ ref('int_visitors__identified') }} as visitors
            where {{ is_to_rebuild('visitors.email') }}
        )
),

hashed as (
    {{ hashed_web_events('renewed') }}
),

contents as (
    {{ contested_contents('arrived', 'repeated', web_event_models()) }}
    union all
    select
        content_hash,
        occurred_at
    from hashed
),

final as (
    select distinct
        content_hash,
        occurred_at
    from contents
)

select * from final
