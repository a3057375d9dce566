-- noqa: disable=layout.indent
{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={
            'replaces': {'cutoff_at, profile_key': 'int_cutoff_profiles__due'},
            'keeps': {'cutoff_at': 'int_cutoffs__listed'}
        }
    )
}}
{%- set mail_windows = [7, 30, 90] %}
with

active as (
    select
        active.*,
        {{ window_beginnings('active.cutoff_at', mail_windows + [365]) }}
    from {{ ref('int_cutoff_profiles__active') }} as active
    {{ join_due(ref('int_cutoff_profiles__due'), 'active', 'active') }}
),

messages as (
    select * from {{ ref('int_messages__sent') }}
),

refusals as (
    select * from {{ ref('int_email_events__deduplicated') }}
    where event_type in ('complaint', 'unsubscribe', 'bounce')
),

mailed as (
    select
        active.cutoff_at,
        active.profile_key,
        {%- for days in mail_windows %}
        count(
            case
                when messages.received_at > active.last_{{ days }}_days_begin then 1
            end
        ) as emails_received_last_{{ days }}_days,
        {%- endfor %}
        count(*) as lifetime_emails_received,
        min(messages.received_at) as first_mailed_at,
        max(messages.received_at) as last_mailed_at
    from active
    inner join messages
        on
            active.profile_key = messages.profile_key
            and messages.received_at <= active.cutoff_at
    group by active.cutoff_at, active.profile_key
),

refused as (
    select
        active.cutoff_at,
        active.profile_key,
        count(case when refusals.event_type = 'complaint' then 1 end)
            as complaints_last_365_days,
        count(case when refusals.event_type = 'unsubscribe' then 1 end)
            as unsubscribes_last_365_days,
        count(case when refusals.event_type = 'bounce' then 1 end)
            as bounces_last_365_days
    from active
    inner join refusals
        on
            active.profile_key = refusals.profile_key
            and refusals.occurred_at <= active.cutoff_at
            and refusals.occurred_at > active.last_365_days_begin
    group by active.cutoff_at, active.profile_key
),

final as (
    select
        active.cutoff_at,
        active.profile_key,
        {%- for days in mail_windows %}
        coalesce(mailed.emails_received_last_{{ days }}_days, 0)
            as emails_received_last_{{ days }}_days,
        {%- endfor %}
        coalesce(mailed.lifetime_emails_received, 0) as lifetime_emails_received,
        coalesce(refused.complaints_last_365_days, 0) as complaints_last_365_days,
        coalesce(refused.unsubscribes_last_365_days, 0) as unsubscribes_last_365_days,
        coalesce(refused.bounces_last_365_days, 0) as bounces_last_365_days,
        mailed.first_mailed_at,
        mailed.last_mailed_at
    from active
    left join mailed
        on
            active.cutoff_at = mailed.cutoff_at
            and active.profile_key = mailed.profile_key
    left join refused
        on
            active.cutoff_at = refused.cutoff_at
            and active.profile_key = refused.profile_key
)

select * from final
