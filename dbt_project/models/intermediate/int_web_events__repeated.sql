with

events as (
    select * from {{ ref('int_web_events__hashed') }}
),

final as (
    {{ repeated_hashes('events', ['content_hash', 'id_hash']) }}
)

select * from final
