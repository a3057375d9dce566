{# An event that says: no more mail to this address. #}
{% macro is_refusal() -%}
    (
        event_type in ('complaint', 'unsubscribe')
        or (event_type = 'bounce' and bounce_type = 'hard')
    )
{%- endmacro %}
