{#-
    Campaigns of which any event has arrived, is settled anew, or is of a message that is
    classified anew: what counts of them is counted again. A copy that no longer counts may
    have named another campaign than the one that does.
-#}
with

arrived as (
    select campaign_id from {{ ref('int_email_events__arrived') }}
),

settled as (
    select campaign_id from {{ ref('int_email_events__copied') }}
    where content_hash in (
        select contested.content_hash
        from {{ ref('int_email_events__contested') }} as contested
    )
),

classified as (
    select campaign_id from {{ ref('int_email_events__classified') }}
    where message_hash in (
        select touched.message_hash
        from {{ ref('int_messages__touched') }} as touched
    )
),

campaigns as (
    select campaign_id from arrived
    union distinct
    select campaign_id from settled
    union distinct
    select campaign_id from classified
),

final as (
    select campaign_id from campaigns
    where campaign_id is not null
)

select * from final
