{#
    Both claims of a key in one query: the command pays for each test, however small the
    table. In `nullable` columns a null is a value like any other. Where a build goes on,
    rows count that have the key of a changed one; `same` are columns that rows of one key
    share and that are cheaper to look at.
#}
{% test key(model, column_name=none, columns=none, nullable=[], same=none) %}
{%- set key = columns or [column_name] %}
select
    {{ key | join(', ') }},
    count(*) as copies
from {{ tested_part(model, same or key) }}
group by {{ key | join(', ') }}
having
    count(*) > 1
    {%- for column in key if column not in nullable %}
    or {{ column }} is null
    {%- endfor %}
{% endtest %}
