with

active as (
    select
        *,
        {{ timestamp_add('hour', '24 * 30', 'cutoff_at') }} as horizon_at
    from {{ ref('int_cutoff_profiles__active') }}
),

engagements as (
    select * from {{ ref('int_email_events__classified') }}
    where is_human
),

orders as (
    select * from {{ ref('int_orders__current') }}
    where is_order
),

activities as (
    select
        profile_key,
        occurred_at as active_at
    from engagements
    union all
    select
        profile_key,
        ordered_at as active_at
    from orders
),

stayed as (
    select distinct
        active.cutoff_at,
        active.profile_key
    from active
    inner join activities
        on
            active.profile_key = activities.profile_key
            and activities.active_at > active.cutoff_at
            and activities.active_at <= active.horizon_at
),

final as (
    select
        active.cutoff_at,
        active.profile_key,
        case
            when active.horizon_at <= {{ as_of() }} then stayed.profile_key is null
        end as is_churned
    from active
    left join stayed
        on
            active.cutoff_at = stayed.cutoff_at
            and active.profile_key = stayed.profile_key
)

select * from final
