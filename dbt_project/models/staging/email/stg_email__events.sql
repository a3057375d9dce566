with

source as (
    select * from {{ source('raw', 'email_events') }}
),

final as (
    select
        event_id,
        event_type,
        {{ normalise_email('email') }} as email,
        message_id,
        campaign_id,
        url,
        user_agent,
        ip,
        is_machine,
        lower(trim(bounce_type)) as bounce_type,
        provider,
        occurred_at,
        _loaded_at as loaded_at
    from source
)

select * from final
