-- noqa: disable=layout.indent
-- A view has no constraints: nobody whose features are learned from is without a count.
{%- set counts = [] -%}
{%- for measure, windows in [
    ('emails_received', [7, 30, 90]),
    ('emails_opened', [7, 14, 30, 90, 365]),
    ('links_clicked', [7, 14, 30, 90, 365]),
    ('emails_opened_by_machines', [30]),
    ('complaints', [365]),
    ('unsubscribes', [365]),
    ('bounces', [365]),
    ('web_sessions', [7, 30, 90]),
    ('product_views', [30]),
    ('adds_to_cart', [30]),
    ('orders', [30, 90, 365]),
    ('revenue', [365]),
    ('active_days', [365]),
] -%}
    {%- for days in windows -%}
        {%- do counts.append(measure ~ '_last_' ~ days ~ '_days') -%}
    {%- endfor -%}
{%- endfor %}
select
    profile_id,
    cutoff_at
from {{ ref('ftr_churn') }}
where
    lifetime_orders is null
    or lifetime_emails_received is null
    {%- for count in counts %}
    or {{ count }} is null
    {%- endfor %}
