{#
    Copies are few: a 64-bit hash of the key finds those that may be one, and only these
    pass through the exact window, which would otherwise sort all there is.
#}
{% macro number_copies(
    relation, hash_column, partition_by, order_by, number_column
) -%}
    {%- set repeated_hashes -%}
        select {{ hash_column }} from {{ relation }}
        where {{ hash_column }} is not null
        group by {{ hash_column }}
        having count(*) > 1
    {%- endset -%}
    select
        {{ relation }}.*,
        row_number() over (
            partition by {{ partition_by | join(', ') }}
            order by {{ order_by | join(', ') }}
        ) as {{ number_column }}
    from {{ relation }}
    where {{ hash_column }} in ({{ repeated_hashes }})
    union all
    select
        {{ relation }}.*,
        1 as {{ number_column }}
    from {{ relation }}
    where {{ hash_column }} is null or {{ hash_column }} not in ({{ repeated_hashes }})
{%- endmacro %}
