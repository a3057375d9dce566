-- noqa: disable=layout.indent
{#
    Pairs of cutoff and profile that a build which goes on computes anew: all at a cutoff
    that no finished build has seen, and those that something came before.
#}
with

cutoffs as (
    select * from {{ ref('int_cutoffs__listed') }}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

touched as (
    select * from {{ ref('int_profiles__touched') }}
),

final as (
    select
        cutoffs.cutoff_at,
        profiles.profile_key
    from cutoffs
    cross join profiles
    where
        {%- if continues_build() %}
        cutoffs.cutoff_at not in (
            select built.cutoff_at from {{ build_record('built_cutoffs') }} as built
        )
        {%- else %}
        false
        {%- endif %}
    union distinct
    select
        cutoffs.cutoff_at,
        touched.profile_key
    from cutoffs
    inner join touched on cutoffs.cutoff_at >= touched.changed_from
)

select * from final
