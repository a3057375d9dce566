{{ config(materialized='view') }}
{#-
    The hashes find cheaply what may be equal. The profile is in them only where no
    message_id tells people apart.
-#}
with

events as (
    select * from {{ ref('stg_email__events') }}
),

final as (
    {{ hashed_email_events('events') }}
)

select * from final
