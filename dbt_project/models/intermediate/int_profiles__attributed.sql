{%- set newest_first -%}
    partition by profile_key
    order by updated_at desc, contact_id desc, source_system desc nulls last
    rows between unbounded preceding and unbounded following
{%- endset -%}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

current_contacts as (
    select * from {{ ref('int_contacts__versioned') }}
    where superseded_at is null and not is_deleted
),

timezones as (
    select * from {{ ref('timezones') }}
),

web_places as (
    select * from {{ ref('int_profiles__located') }}
    where {{ in_last_days('located_at', 30) }}
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
        case
            when web_places.profile_key is not null then web_places.country
            else contact_places.country
        end as country,
        case
            when web_places.profile_key is not null then web_places.region
            else contact_places.region
        end as region,
        case
            when web_places.profile_key is not null then web_places.city
            else contact_places.city
        end as city,
        attributes.timezone
    from profiles
    left join attributes on profiles.profile_key = attributes.profile_key
    left join contact_places
        on
            profiles.profile_key = contact_places.profile_key
            and contact_places.place_rank = 1
    left join web_places on profiles.profile_key = web_places.profile_key
)

select * from final
