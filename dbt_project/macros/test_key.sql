{#
    Both claims of a key in one query: the command pays for each test, however small the
    table. In `nullable` columns a null is a value like any other.
#}
{% test key(model, column_name=none, columns=none, nullable=[]) %}
{%- set key = columns or [column_name] %}
select
    {{ key | join(', ') }},
    count(*) as copies
from {{ model }}
group by {{ key | join(', ') }}
having
    count(*) > 1
    {%- for column in key if column not in nullable %}
    or {{ column }} is null
    {%- endfor %}
{% endtest %}
