with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

consents as (
    select * from {{ ref('int_consents__decided') }}
),

late_erasure_requests as (
    select distinct email from {{ ref('stg_crm__erasure_requests') }}
),

judged as (
    select
        profiles.profile_key,
        coalesce(mailing.is_granted, false) and suppressed.suppression_reason is null
            as may_be_mailed,
        coalesce(profiling.is_granted, false) as may_be_profiled,
        suppressed.suppression_reason,
        case
            when late_erasure_requests.email is not null then 'erasure_requested'
            when suppressed.suppression_reason is not null then suppressed.suppression_reason
            when suppressed.delivery_suppression_reason is not null
                then suppressed.delivery_suppression_reason
            when mailing.withdrawn_later_at is not null or mailing.status = 'withdrawn'
                then 'consent_withdrawn'
            when mailing.status = 'granted' and not mailing.is_granted then 'consent_expired'
            when mailing.status is null then 'no_consent'
        end as delivery_refusal_reason
    from profiles
    left join consents as mailing
        on profiles.email = mailing.email and mailing.purpose = 'email_marketing'
    left join consents as profiling
        on profiles.email = profiling.email and profiling.purpose = 'profiling'
    left join {{ ref('int_profiles__suppressed') }} as suppressed
        on profiles.profile_key = suppressed.profile_key
    left join late_erasure_requests on profiles.email = late_erasure_requests.email
),

final as (
    select
        *,
        -- What a destination may be told: nobody who may not be mailed by what is known now.
        delivery_refusal_reason is null as may_be_delivered
    from judged
)

select * from final
