{#-
    Orders of which a version has arrived since the last finished build: all versions of
    theirs are read again, as a new one may end an older one, or hide the order as a whole.
    Those of people who are to be computed again, too.
-#}
with

arrived as (
    {{ arrived_rows(
        ref('stg_commerce__orders'), 'orders', ['ordered_at', 'updated_at'], else_none=true
    ) }}
),

renewed as (
    select * from {{ ref('stg_commerce__orders') }}
    where {{ is_to_rebuild('email') }}
),

final as (
    select order_id from arrived
    union distinct
    select order_id from renewed
)

select * from final
