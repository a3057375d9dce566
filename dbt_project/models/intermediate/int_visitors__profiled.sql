{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'anonymous_id': 'int_visitors__written'}}
    )
}}
with

visitors as (
    select * from {{ ref('int_visitors__identified') }}
    where {{ is_touched('anonymous_id', ref('int_visitors__written')) }}
),

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

final as (
    select
        visitors.anonymous_id,
        profiles.profile_key,
        visitors.identified_at
    from visitors
    inner join profiles on visitors.email = profiles.email
)

select * from final
