{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        unique_key=['email', 'purpose']
    )
}}
{#- What does not change until another consent is told of; grants end by themselves. -#}
with

{% if continues_build() -%}
arrived as (
    {{ arrived_rows(ref('stg_crm__consents'), 'consents', ['recorded_at']) }}
),

{% endif -%}
consents as (
    select * from {{ ref('stg_crm__consents') }}
    where {{ is_touched('email', 'arrived') }}
),

-- Delivery hears every withdrawal, also one after as_of; a grant after it has not
-- happened.
heard as (
    select
        *,
        recorded_at <= {{ as_of() }} as is_known
    from consents
    where recorded_at <= {{ as_of() }} or status = 'withdrawn'
),

ranked as (
    select
        *,
        row_number() over (
            partition by email, purpose, is_known
            order by
                recorded_at desc,
                case when status = 'withdrawn' then 0 else 1 end,
                source desc nulls last,
                expires_at desc nulls last
        ) as newest_rank
    from heard
),

final as (
    select
        email,
        purpose,
        max(case when is_known and newest_rank = 1 then status end) as status,
        max(case when is_known and newest_rank = 1 then recorded_at end) as recorded_at,
        max(case when is_known and newest_rank = 1 then expires_at end) as expires_at,
        max(case when is_known and status = 'granted' then recorded_at end)
            as granted_at,
        max(case when not is_known then recorded_at end) as withdrawn_later_at
    from ranked
    group by email, purpose
)

select * from final
