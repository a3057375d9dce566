{#-
    Addresses about which anything has arrived since the last finished build: those whose
    profiles are computed anew. One that is listed for nothing costs time alone.
-#}
with

email_events as (
    select * from {{ ref('stg_email__events') }}
    where {{ has_arrived('email_events', ['occurred_at']) }}
),

web_events as (
    select * from {{ ref('stg_web__events') }}
    where {{ has_arrived('web_events', ['occurred_at']) }}
),

normalised as (
    select * from {{ ref('int_addresses__normalised') }}
),

visitors as (
    select * from {{ ref('int_visitors__observed') }}
    where email is not null
),

arrived_orders as (
    select distinct order_id from {{ ref('stg_commerce__orders') }}
    where {{ has_arrived('orders', ['ordered_at', 'updated_at']) }}
),

order_versions as (
    select * from {{ ref('stg_commerce__orders') }}
),

contacts as (
    select * from {{ ref('stg_crm__contacts') }}
    where {{ has_arrived('contacts', ['updated_at']) }}
),

consents as (
    select * from {{ ref('stg_crm__consents') }}
    where {{ has_arrived('consents', ['recorded_at']) }}
),

written as (
    select written_email from email_events
    union distinct
    select written_email from web_events
),

arrived_visitors as (
    select distinct anonymous_id from web_events
    where anonymous_id is not null
),

touched as (
    select normalised.email
    from written
    inner join normalised on written.written_email = normalised.written_email
    union distinct
    -- Whoever the visitor's events belonged to, or belong to now.
    select visitors.email
    from visitors
    inner join arrived_visitors on visitors.anonymous_id = arrived_visitors.anonymous_id
    union distinct
    -- A version that is out of date now was somebody's too.
    select order_versions.email
    from order_versions
    inner join arrived_orders on order_versions.order_id = arrived_orders.order_id
    union distinct
    select email from contacts
    union distinct
    select email from consents
    {%- if continues_build() %}
    union distinct
    select email from {{ build_record('addresses_to_rebuild') }}
    {%- endif %}
),

final as (
    select email from touched
    where email is not null
)

select * from final
