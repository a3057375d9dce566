with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

mailing_consents as (
    select * from {{ ref('int_consents__decided') }}
    where purpose = 'email_marketing'
),

profiling_consents as (
    select * from {{ ref('int_consents__decided') }}
    where purpose = 'profiling'
),

suppressions as (
    select * from {{ ref('int_profiles__suppressed') }}
),

-- Those up to as_of have left no profile: what is found here was asked for later.
erasure_requests as (
    select distinct email from {{ ref('stg_crm__erasure_requests') }}
),

judged as (
    select
        profiles.profile_key,
        coalesce(mailing_consents.is_granted, false)
        and suppressions.suppression_reason is null as may_be_mailed,
        coalesce(profiling_consents.is_granted, false) as may_be_profiled,
        coalesce(
            profiling_consents.is_granted
            and profiling_consents.withdrawn_later_at is null,
            false
        ) as scores_may_be_delivered,
        suppressions.suppression_reason,
        case
            when erasure_requests.email is not null then 'erasure_requested'
            when suppressions.suppression_reason is not null
                then suppressions.suppression_reason
            when suppressions.delivery_suppression_reason is not null
                then suppressions.delivery_suppression_reason
            when
                mailing_consents.withdrawn_later_at is not null
                or mailing_consents.status = 'withdrawn'
                then 'consent_withdrawn'
            when mailing_consents.status = 'granted' and not mailing_consents.is_granted
                then 'consent_expired'
            -- Whatever else a consent may say, it does not say yes.
            when not coalesce(mailing_consents.is_granted, false) then 'no_consent'
        end as delivery_refusal_reason
    from profiles
    left join mailing_consents on profiles.email = mailing_consents.email
    left join profiling_consents on profiles.email = profiling_consents.email
    left join suppressions on profiles.profile_key = suppressions.profile_key
    left join erasure_requests on profiles.email = erasure_requests.email
),

final as (
    select
        *,
        -- A destination is told of nobody who may not be mailed by what is known now.
        delivery_refusal_reason is null as may_be_delivered
    from judged
)

select * from final
