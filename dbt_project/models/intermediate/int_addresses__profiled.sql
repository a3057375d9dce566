-- noqa: disable=layout.indent
{{ config(materialized='incremental', incremental_strategy=continued_strategy()) }}
{#- Made once, as every event is looked up by its address as it is written. -#}
with

addresses as (
    select * from {{ ref('int_addresses__normalised') }}
    where
        is_valid
        {%- if continues_build() %}
        and written_email not in (select known.written_email from {{ this }} as known)
        {%- endif %}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

final as (
    select
        addresses.written_email,
        profiles.profile_key
    from addresses
    left join profiles on addresses.email = profiles.email
)

select * from final
