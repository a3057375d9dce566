{#-
    Contacts of which a version has arrived since the last finished build, of whichever
    source system, and those of people who are to be computed again.
-#}
with

arrived as (
    {{ arrived_rows(
        ref('stg_crm__contacts'), 'contacts', ['updated_at'], else_none=true
    ) }}
),

renewed as (
    select * from {{ ref('stg_crm__contacts') }}
    where {{ is_to_rebuild('email') }}
),

final as (
    select contact_id from arrived
    union distinct
    select contact_id from renewed
)

select * from final
