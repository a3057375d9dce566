{#-
    Orders of which a version has arrived since the last finished build: all versions of
    theirs are read again, as a new one may end an older one, or hide the order as a whole.
-#}
with

arrived as (
    {{ arrived_rows(
        ref('stg_commerce__orders'), 'orders', ['ordered_at', 'updated_at'], else_none=true
    ) }}
),

final as (
    select distinct order_id from arrived
)

select * from final
