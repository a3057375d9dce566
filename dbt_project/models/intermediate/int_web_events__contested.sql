{#-
    What is settled anew where a build goes on: what may be a copy, and all that a visitor
    did of whom it is known only now who it is.
-#}
-- depends_on: {{ ref('int_web_events__hashed') }}
-- depends_on: {{ ref('int_profiles__resolved') }}
-- depends_on: {{ ref('int_visitors__reidentified') }}
with

arrived as (
    select * from {{ ref('int_web_events__arrived') }}
),

repeated as (
    select * from {{ ref('int_web_events__repeated') }}
),

contents as (
    {{ contested_contents('arrived', 'repeated', web_event_models()) }}
    {%- if continues_build() %}
    union all
    select
        content_hash,
        occurred_at
    from {{ ref('int_web_events__hashed') }}
    where anonymous_id in (
        select visitors.anonymous_id
        from {{ ref('int_visitors__reidentified') }} as visitors
    )
    union all
    select
        events.content_hash,
        events.occurred_at
    from {{ ref('int_web_events__hashed') }} as events
    inner join {{ ref('int_profiles__resolved') }} as profiles
        on events.profile_key = profiles.profile_key
    inner join {{ build_record('addresses_to_rebuild') }} as addresses
        on profiles.email = addresses.email
    {%- endif %}
),

final as (
    select distinct
        content_hash,
        occurred_at
    from contents
)

select * from final
