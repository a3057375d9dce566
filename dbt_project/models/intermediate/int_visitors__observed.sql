-- noqa: disable=layout.indent
{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        unique_key=['anonymous_id', 'email']
    )
}}
with

events as (
    select * from {{ ref('stg_web__events') }}
    where
        occurred_at <= {{ as_of() }}
        {%- if continues_build() %}
        and {{ has_arrived('web_events', ['occurred_at']) }}
        {%- endif %}
),

addresses as (
    select * from {{ ref('int_addresses__normalised') }}
    where is_valid
),

first_seen as (
    select
        anonymous_id,
        written_email,
        min(occurred_at) as first_seen_at
    from events
    group by anonymous_id, written_email
),

-- With an address that is not valid the visitor stays an anonymous one.
observed as (
    select
        first_seen.anonymous_id,
        addresses.email,
        min(first_seen.first_seen_at) as first_seen_at
    from first_seen
    left join addresses on first_seen.written_email = addresses.written_email
    group by first_seen.anonymous_id, addresses.email
),

final as (
    select
        observed.anonymous_id,
        observed.email,
        {%- if continues_build() %}
        least(
            observed.first_seen_at,
            coalesce(known.first_seen_at, observed.first_seen_at)
        ) as first_seen_at
        {%- else %}
        observed.first_seen_at
        {%- endif %}
    from observed
    {%- if continues_build() %}
    left join {{ this }} as known
        on
            observed.anonymous_id is not distinct from known.anonymous_id
            and observed.email is not distinct from known.email
    {%- endif %}
)

select * from final
