{#- Written like int_email_events__repeated. -#}
{%- set arrived = ref('int_web_events__arrived') -%}
{%- set all = ref('int_web_events__hashed') %}
with

events as (
    select
        content_hash,
        id_hash
    from {{ anew_or_all(arrived, all) }}
),

final as (
    {{ repeated_hashes('events', web_event_models()) }}
)

select * from final
