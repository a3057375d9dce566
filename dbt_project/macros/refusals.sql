{#
    An event that says: no more mail to this address. Not an `or`, for which DuckDB would read
    all events even where they meet none.
#}
{% macro is_refusal() -%}
    case
        when event_type = 'bounce' then bounce_type = 'hard'
        else event_type in ('complaint', 'unsubscribe')
    end
{%- endmacro %}
