{{ config(materialized='view') }}
with

profiles as (
    select * from {{ ref('int_profiles__resolved') }}
),

described as (
    select * from {{ ref('int_profiles__described') }}
),

located as (
    select * from {{ ref('int_profiles__located') }}
    where {{ in_last_days('located_at', 30) }}
),

-- A place comes as a whole: a city of one source and a country of another is nowhere.
final as (
    select
        profiles.profile_key,
        described.first_name,
        described.last_name,
        described.birth_date,
        {%- for column in ['country', 'region', 'city'] %}
        case
            when located.profile_key is not null then located.{{ column }}
            else described.{{ column }}
        end as {{ column }},
        {%- endfor %}
        described.timezone
    from profiles
    left join described on profiles.profile_key = described.profile_key
    left join located on profiles.profile_key = located.profile_key
)

select * from final
