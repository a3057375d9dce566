{{ config(materialized='view') }}
{#-
    The hashes find cheaply what may be equal.
-#}
with

events as (
    select * from {{ ref('stg_email__events') }}
),

final as (
    {{ hashed_email_events('events') }}
)

select * from final
