-- noqa: disable=layout.indent
{# The profiles that this build computes anew: all, where nothing came before. #}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

touched_addresses as (
    select * from {{ ref('int_addresses__touched') }}
),

final as (
    select
        profiles.profile_id,
        profiles.profile_key
    from profiles
    {%- if continues_build() %}
    inner join touched_addresses on profiles.email = touched_addresses.email
    {%- endif %}
)

select * from final
