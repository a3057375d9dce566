-- noqa: disable=layout.indent
{% set as_of_at = as_of_datetime() -%}
{%- set cutoffs = [as_of_at] -%}
{%- if var('cutoffs') is none -%}
    {%- for months_back in range(12) -%}
        {%- set month = as_of_at.year * 12 + as_of_at.month - 1 - months_back -%}
        {%- do cutoffs.append(
            modules.datetime.datetime(month // 12, month % 12 + 1, 1)
        ) -%}
    {%- endfor -%}
{%- else -%}
    {%- for cutoff in var('cutoffs') -%}
        {%- do cutoffs.append(utc_datetime(cutoff)) -%}
    {%- endfor -%}
{%- endif -%}
with

final as (
    {%- for cutoff in cutoffs | unique | select('le', as_of_at) %}
    select {{ timestamp_literal(cutoff) }} as cutoff_at
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select * from final
