-- noqa: disable=layout.indent
{# The profiles that this build computes anew: all, where nothing came before. #}
-- depends_on: {{ ref('int_addresses__touched') }}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

final as (
    select
        profile_id,
        profile_key
    from profiles
    {%- if continues_build() %}
    where email in (
        select touched.email from {{ ref('int_addresses__touched') }} as touched
    )
    {%- endif %}
)

select * from final
