with

source as (
    select * from {{ source('raw', 'email_events') }}
),

final as (
    select
        nullif(event_id, '') as event_id,
        lower(trim(event_type)) as event_type,
        email as written_email,
        {{ normalise_email('email') }} as email,
        nullif(message_id, '') as message_id,
        nullif(campaign_id, '') as campaign_id,
        nullif(url, '') as url,
        nullif(user_agent, '') as user_agent,
        nullif(ip, '') as ip,
        is_machine,
        nullif(lower(trim(bounce_type)), '') as bounce_type,
        nullif(provider, '') as provider,
        occurred_at,
        _loaded_at as loaded_at
    from source
)

select * from final
