{#
    Number the rows of a relation that are equal in `partition_by` (nulls equal), by `order_by`, in a
    column named `number_column`; number 1 is the one to keep. Copies are few: a 64-bit hash of the
    key (a column of the relation, null for rows that have no copy by definition) finds those that may
    be one, and only these pass through the exact window, which would otherwise sort all there is.
#}
{% macro number_copies(relation, hash_column, partition_by, order_by, number_column) -%}
    select
        {{ relation }}.*,
        row_number() over (
            partition by {{ partition_by | join(', ') }}
            order by {{ order_by | join(', ') }}
        ) as {{ number_column }}
    from {{ relation }}
    where {{ hash_column }} in (
        select {{ hash_column }} from {{ relation }}
        where {{ hash_column }} is not null
        group by {{ hash_column }}
        having count(*) > 1
    )
    union all
    select
        {{ relation }}.*,
        1 as {{ number_column }}
    from {{ relation }}
    where {{ hash_column }} is null or {{ hash_column }} not in (
        select {{ hash_column }} from {{ relation }}
        where {{ hash_column }} is not null
        group by {{ hash_column }}
        having count(*) > 1
    )
{%- endmacro %}
