{#-
    What is settled anew where a build goes on, also events of long ago that something that
    has arrived may be a copy of.
-#}
-- depends_on: {{ ref('int_email_events__hashed') }}
-- depends_on: {{ ref('int_profiles__resolved') }}
with

arrived as (
    select * from {{ ref('int_email_events__arrived') }}
),

repeated as (
    select * from {{ ref('int_email_events__repeated') }}
),

contents as (
    {{ contested_contents('arrived', 'repeated', email_event_models()) }}
    {%- if continues_build() %}
    union all
    select
        events.content_hash,
        events.occurred_at
    from {{ ref('int_email_events__hashed') }} as events
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
