{#-
    Profiles about which anything has arrived since the last finished build, and from when
    on anything about them may differ: before that instant all stays as it is. Listed for
    nothing, or too early, a profile costs time alone.
-#}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

messages as (
    select
        touched.profile_key,
        least(touched.changed_from, coalesce(sent.received_at, touched.changed_from))
            as changed_from
    from {{ ref('int_messages__touched') }} as touched
    left join {{ ref('int_messages__sent') }} as sent
        on touched.message_hash = sent.message_hash and touched.is_sent_anew
),

arrived_web_events as (
    select
        profile_key,
        occurred_at as changed_from
    from {{ ref('int_web_events__arrived') }}
),

settled_web_events as (
    select
        profile_key,
        occurred_at as changed_from
    from {{ ref('int_web_events__copied') }}
    where content_hash in (
        select contested.content_hash
        from {{ ref('int_web_events__contested') }} as contested
    )
),

reidentified_visitors as (
    select * from {{ ref('int_visitors__reidentified') }}
),

visitors as (
    select
        observed.anonymous_id,
        observed.email,
        min(observed.first_seen_at) over (partition by observed.anonymous_id)
            as changed_from
    from {{ ref('int_visitors__observed') }} as observed
    inner join reidentified_visitors
        on observed.anonymous_id = reidentified_visitors.anonymous_id
),

order_versions as (
    select * from {{ ref('int_orders__versioned') }}
),

arrived_orders as (
    {{ arrived_rows(
        ref('stg_commerce__orders'), 'orders', ['ordered_at', 'updated_at'], else_none=true
    ) }}
),

-- A version that is out of date now was somebody's too; and whether somebody stayed is
-- judged by orders as they stand now, at the time of the order.
orders as (
    select
        order_versions.email,
        min(order_versions.ordered_at) over (partition by order_versions.order_id)
            as changed_from
    from order_versions
    where order_versions.order_id in (
        select arrived_orders.order_id from arrived_orders
    )
),

arrived_contacts as (
    {{ arrived_rows(
        ref('stg_crm__contacts'), 'contacts', ['updated_at'], else_none=true
    ) }}
),

contacts as (
    select
        email,
        least(updated_at, coalesce(created_at, updated_at)) as happened_at
    from arrived_contacts
),

arrived_consents as (
    {{ arrived_rows(
        ref('stg_crm__consents'), 'consents', ['recorded_at'], else_none=true
    ) }}
),

consents as (
    select
        email,
        recorded_at as happened_at
    from arrived_consents
),

addressed as (
    select * from orders
    union all
    -- Whoever the visitor's events belonged to, or belong to now.
    select
        email,
        changed_from
    from visitors
    where email is not null
    {%- if continues_build() %}
    union all
    select
        email,
        {{ timestamp_literal(utc_datetime('1970-01-01')) }} as changed_from
    from {{ build_record('addresses_to_rebuild') }}
    {%- endif %}
),

-- What may have been the first to say that there is somebody: it moves where the
-- history begins.
introductions as (
    select * from contacts
    union all
    select * from consents
),

changes as (
    select * from messages
    union all
    select * from arrived_web_events
    union all
    select * from settled_web_events
    union all
    select
        profiles.profile_key,
        addressed.changed_from
    from addressed
    inner join profiles on addressed.email = profiles.email
    union all
    select
        profiles.profile_key,
        introductions.happened_at as changed_from
    from introductions
    inner join profiles
        on
            introductions.email = profiles.email
            and introductions.happened_at <= profiles.first_seen_at
),

touched as (
    select
        profile_key,
        min(changed_from) as changed_from
    from changes
    group by profile_key
),

final as (
    select
        profiles.profile_id,
        touched.profile_key,
        touched.changed_from
    from touched
    inner join profiles on touched.profile_key = profiles.profile_key
)

select * from final
