{#-
    Contents that are settled anew where a build goes on: those that may have copies among
    what has arrived, also of long ago, and those of people who are to be computed again.
-#}
with

arrived as (
    select * from {{ ref('int_email_events__arrived') }}
),

repeated as (
    select * from {{ ref('int_email_events__repeated') }}
),

renewed as (
    select * from {{ ref('stg_email__events') }}
    where
        {{ is_of_people_to_rebuild(
            'written_email', ref('int_addresses__normalised')
        ) }}
),

hashed as (
    {{ hashed_email_events('renewed') }}
),

contents as (
    {{ contested_contents('arrived', 'repeated', email_event_models()) }}
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
