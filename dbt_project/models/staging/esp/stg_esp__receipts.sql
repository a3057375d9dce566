with

source as (
    select * from {{ source('reverse_etl', 'receipts') }}
),

final as (
    select
        run_id,
        destination,
        kind,
        segment,
        profile_id,
        action,
        outcome,
        reason,
        attempts,
        {{ column_name('at') }} as answered_at
    from source
)

select * from final
