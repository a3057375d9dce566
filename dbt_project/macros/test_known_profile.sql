{#
    A large fact is of profiles that `to` knows. It is joined with the resolved profiles, so
    of what has not changed it is enough that none of those is missing in `to`.
#}
{% test known_profile(model, column_name, to) %}
{%- set part = tested_part(model) %}
select {{ column_name }} as profile_id
from {{ part }}
where {{ column_name }} not in (select known.profile_id from {{ to }} as known)
{%- if part | trim != model | string %}
union all
select resolved.profile_id
from {{ model_relation('int_profiles__resolved') }} as resolved
where resolved.profile_id not in (select known.profile_id from {{ to }} as known)
{%- endif %}
{% endtest %}
