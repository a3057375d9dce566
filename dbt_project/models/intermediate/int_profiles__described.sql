{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        unique_key=['profile_key']
    )
}}
{%- set newest_first -%}
    partition by profile_key
    order by updated_at desc, contact_id desc, source_system desc nulls last
    rows between unbounded preceding and unbounded following
{%- endset -%}
{#- Who is named by no contact any more has a row all the same, without a value. -#}
-- depends_on: {{ ref('stg_crm__contacts') }}
-- depends_on: {{ ref('int_contacts__touched') }}
with

{% if continues_build() -%}
touched_addresses as (
    select contacts.email
    from {{ ref('stg_crm__contacts') }} as contacts
    inner join {{ ref('int_contacts__touched') }} as touched
        on contacts.contact_id = touched.contact_id
),

{% endif -%}
profiles as (
    select * from {{ ref('int_profiles__resolved') }}
    where {{ is_touched('email', 'touched_addresses') }}
),

current_contacts as (
    select * from {{ ref('int_contacts__versioned') }}
    where superseded_at is null and not is_deleted
),

timezones as (
    select * from {{ ref('timezones') }}
),

contacts as (
    select
        profiles.profile_key,
        current_contacts.contact_id,
        current_contacts.source_system,
        current_contacts.first_name,
        current_contacts.last_name,
        current_contacts.birth_date,
        current_contacts.country,
        current_contacts.region,
        current_contacts.city,
        -- A name that is not of the IANA's list counts as unknown.
        timezones.timezone,
        current_contacts.updated_at
    from current_contacts
    inner join profiles on current_contacts.email = profiles.email
    left join timezones on current_contacts.timezone = timezones.timezone
),

-- Of several contacts the newest that has a value gives it, each attribute for itself.
attributes as (
    select distinct
        profile_key,
        {{ first_known('first_name') }} over ({{ newest_first }}) as first_name,
        {{ first_known('last_name') }} over ({{ newest_first }}) as last_name,
        {{ first_known('birth_date') }} over ({{ newest_first }}) as birth_date,
        {{ first_known('timezone') }} over ({{ newest_first }}) as timezone
    from contacts
),

-- A place comes as a whole: a city of one source and a country of another is nowhere.
contact_places as (
    select
        *,
        row_number() over (
            partition by profile_key
            order by updated_at desc, contact_id desc, source_system desc nulls last
        ) as place_rank
    from contacts
    where country is not null
),

final as (
    select
        profiles.profile_key,
        attributes.first_name,
        attributes.last_name,
        attributes.birth_date,
        contact_places.country,
        contact_places.region,
        contact_places.city,
        attributes.timezone
    from profiles
    left join attributes on profiles.profile_key = attributes.profile_key
    left join contact_places
        on
            profiles.profile_key = contact_places.profile_key
            and contact_places.place_rank = 1
)

select * from final
