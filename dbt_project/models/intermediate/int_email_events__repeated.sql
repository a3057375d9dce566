{#-
    Where a build goes on: hashes that came twice, or that an event has which is there.
-#}
{%- set arrived = ref('int_email_events__arrived') -%}
{%- set all = ref('int_email_events__hashed') %}
with

events as (
    select
        content_hash,
        id_hash
    from {{ anew_or_all(arrived, all) }}
),

final as (
    {{ repeated_hashes('events', email_event_models()) }}
)

select * from final
