with

consents as (
    select * from {{ ref('stg_crm__consents') }}
),

-- Delivery hears every withdrawal, also one after as_of; a grant after it has not
-- happened.
heard as (
    select
        *,
        recorded_at <= {{ as_of() }} as is_known
    from consents
    where recorded_at <= {{ as_of() }} or status = 'withdrawn'
),

ranked as (
    select
        *,
        row_number() over (
            partition by email, purpose, is_known
            order by
                recorded_at desc,
                case when status = 'withdrawn' then 0 else 1 end,
                source desc nulls last,
                expires_at desc nulls last
        ) as newest_rank
    from heard
),

final as (
    select
        email,
        purpose,
        max(case when is_known then status end) as status,
        max(case when is_known then recorded_at end) as recorded_at,
        max(case when is_known then expires_at end) as expires_at,
        coalesce(
            max(
                case
                    when
                        is_known and status = 'granted'
                        and (expires_at is null or expires_at > {{ as_of() }})
                        then 1
                end
            ),
            0
        ) = 1 as is_granted,
        max(case when not is_known then recorded_at end) as withdrawn_later_at
    from ranked
    where newest_rank = 1
    group by email, purpose
)

select * from final
