{#
    The tier by counts of emails opened and links clicked in the windows of the three tiers with a
    rule, the first that fits. `opened` and `clicked` are patterns of column names with `{}` in
    place of high, moderate and lapsing; without `opened` only the clicks decide. The rules are the
    columns of int_tier_rules__pivoted, joined as `rules`.
#}
{% macro engagement_tier(clicked, opened=none) -%}
    case
        {%- for prefix, tier in [
            ('high', 'highly_engaged'), ('moderate', 'moderately_engaged'), ('lapsing', 'lapsing'),
        ] %}
        {%- set enough_clicked = clicked.format(prefix) ~ ' >= rules.' ~ prefix ~ '_min_clicked' %}
        {%- if opened is none %}
        when {{ enough_clicked }} then '{{ tier }}'
        {%- else %}
        {%- set enough_opened = opened.format(prefix) ~ ' >= rules.' ~ prefix ~ '_min_opened' %}
        when
            ({{ enough_opened }} and {{ enough_clicked }})
            or (not rules.{{ prefix }}_needs_both and ({{ enough_opened }} or {{ enough_clicked }}))
            then '{{ tier }}'
        {%- endif %}
        {%- endfor %}
        else 'inactive'
    end
{%- endmacro %}
