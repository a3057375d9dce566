{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        meta={'replaces': {'contact_id': 'int_contacts__touched'}}
    )
}}
with

contacts as (
    select * from {{ ref('stg_crm__contacts') }}
    where
        updated_at <= {{ as_of() }}
        and {{ is_touched('contact_id', ref('int_contacts__touched')) }}
),

erased_addresses as (
    select * from {{ ref('int_addresses__erased') }}
),

-- A contact that ever carried an erased address names the person in all its versions.
erased_contacts as (
    select distinct
        contacts.contact_id,
        contacts.source_system
    from contacts
    inner join erased_addresses on contacts.email = erased_addresses.email
),

retained as (
    select contacts.*
    from contacts
    left join erased_contacts
        on
            contacts.contact_id = erased_contacts.contact_id
            and contacts.source_system
            is not distinct from erased_contacts.source_system
    where erased_contacts.contact_id is null
),

superseded as (
    select
        *,
        lead(updated_at) over (
            partition by contact_id, source_system
            order by
                updated_at,
                email nulls first,
                phone nulls first,
                first_name nulls first,
                last_name nulls first,
                birth_date nulls first,
                country nulls first,
                region nulls first,
                city nulls first,
                postal_code nulls first,
                timezone nulls first,
                created_at nulls first,
                is_deleted nulls first
        ) as superseded_at
    from retained
),

final as (
    select
        contact_id,
        source_system,
        email,
        {{ is_valid_email('email') }} as has_valid_email,
        phone,
        first_name,
        last_name,
        birth_date,
        country,
        region,
        city,
        postal_code,
        timezone,
        coalesce(is_deleted, false) as is_deleted,
        created_at,
        updated_at,
        superseded_at
    from superseded
)

select * from final
