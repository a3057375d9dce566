{% macro tiers_with_a_rule() %}
    {%- do return([
        ('highly_engaged', 'high'),
        ('moderately_engaged', 'moderate'),
        ('lapsing', 'lapsing'),
    ]) -%}
{% endmacro %}


{% macro engagement_tier(clicked, opened=none) -%}
    case
        {%- for tier, prefix in tiers_with_a_rule() %}
        {%- set rule = 'rules.' ~ prefix %}
        {%- set enough_clicked %}
            {{- clicked.format(prefix) }} >= {{ rule }}_min_clicked
        {%- endset %}
        {%- if opened is none %}
        when {{ enough_clicked }} then '{{ tier }}'
        {%- else %}
        {%- set enough_opened %}
            {{- opened.format(prefix) }} >= {{ rule }}_min_opened
        {%- endset %}
        when
            ({{ enough_opened }} and {{ enough_clicked }})
            or (
                not {{ rule }}_needs_both
                and ({{ enough_opened }} or {{ enough_clicked }})
            )
            then '{{ tier }}'
        {%- endif %}
        {%- endfor %}
        else 'inactive'
    end
{%- endmacro %}
