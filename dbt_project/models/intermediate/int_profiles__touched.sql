{#-
    Profiles about which anything has arrived since the last finished build, and from when
    on anything about them may differ: before that instant all stays as it is. Listed for
    nothing, or too early, a profile costs time alone.
-#}
-- depends_on: {{ ref('int_messages__sent') }}
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
    {{ arrived_rows(
        ref('stg_commerce__orders'), 'orders', ['ordered_at', 'updated_at'], else_none=true
    ) }}
),

arrived_orders as (
    select
        order_id,
        min(ordered_at) as ordered_at,
        min(greatest(ordered_at, updated_at)) as known_from
    from order_versions
    group by order_id
),

orders as (
    select
        versions.email,
        arrived_orders.ordered_at as happened_at,
        arrived_orders.known_from as changed_from
    from {{ ref('stg_commerce__orders') }} as versions
    inner join arrived_orders on versions.order_id = arrived_orders.order_id
),

arrived_contacts as (
    {{ arrived_rows(
        ref('stg_crm__contacts'), 'contacts', ['updated_at'], else_none=true
    ) }}
),

contacts as (
    select
        email,
        least(updated_at, coalesce(created_at, updated_at)) as happened_at,
        cast(null as timestamp) as changed_from
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
        recorded_at as happened_at,
        cast(null as timestamp) as changed_from
    from arrived_consents
),

addressed as (
    select * from orders
    union all
    select * from contacts
    union all
    select * from consents
    union all
    -- Whoever the visitor's events belonged to, or belong to now.
    select
        email,
        changed_from as happened_at,
        changed_from
    from visitors
    where email is not null
    {%- if continues_build() %}
    union all
    select
        email,
        {{ timestamp_literal(utc_datetime('1970-01-01')) }} as happened_at,
        {{ timestamp_literal(utc_datetime('1970-01-01')) }} as changed_from
    from {{ build_record('addresses_to_rebuild') }}
    {%- endif %}
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
        -- What says first that there is somebody moves the beginning of the history.
        case
            when addressed.happened_at <= profiles.first_seen_at
                then addressed.happened_at
            else addressed.changed_from
        end as changed_from
    from addressed
    inner join profiles on addressed.email = profiles.email
),

touched as (
    select
        profile_key,
        min(changed_from) as changed_from
    from changes
    where changed_from is not null
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
