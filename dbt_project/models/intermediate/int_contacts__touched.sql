{#-
    Contacts of which a version has arrived since the last finished build, of whichever
    source system.
-#}
with

arrived as (
    {{ arrived_rows(
        ref('stg_crm__contacts'), 'contacts', ['updated_at'], else_none=true
    ) }}
),

final as (
    select distinct contact_id from arrived
)

select * from final
