-- noqa: disable=layout.indent
{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        unique_key=['anonymous_id', 'email']
    )
}}
with

written as (
    select * from {{ ref('int_visitors__written') }}
),

addresses as (
    select * from {{ ref('int_addresses__normalised') }}
    where is_valid
),

-- With an address that is not valid the visitor stays an anonymous one.
observed as (
    select
        written.anonymous_id,
        addresses.email,
        min(written.first_written_at) as first_seen_at
    from written
    left join addresses on written.written_email = addresses.written_email
    group by written.anonymous_id, addresses.email
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
