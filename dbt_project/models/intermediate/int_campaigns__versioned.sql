with

-- Of a version that came twice one is enough, or the two windows below could each take
-- another one for the newest.
campaigns as (
    select distinct
        campaign_id,
        name,
        subject,
        category,
        sent_at,
        updated_at
    from {{ ref('stg_email__campaigns') }}
    where updated_at <= {{ as_of() }} or updated_at is null
),

final as (
    select
        campaign_id,
        name,
        subject,
        category,
        sent_at,
        updated_at,
        lead(updated_at) over (
            partition by campaign_id
            order by
                updated_at nulls first,
                name nulls first,
                subject nulls first,
                sent_at nulls first,
                category nulls first
        ) as superseded_at,
        row_number() over (
            partition by campaign_id
            order by
                updated_at desc nulls last,
                name desc nulls last,
                subject desc nulls last,
                sent_at desc nulls last,
                category desc nulls last
        ) = 1 as is_newest
    from campaigns
)

select * from final
