{{ config(materialized='view') }}
with

events as (
    select * from {{ ref('stg_web__events') }}
),

final as (
    {{ hashed_web_events('events') }}
)

select * from final
