{{
    config(
        materialized='incremental',
        incremental_strategy=continued_strategy(),
        unique_key=['profile_key'],
        meta={'replaces': {'profile_key': 'int_profiles__touched'}}
    )
}}
{#-
    What is received at as_of itself was not known before it. A build that goes on counts what
    the last one left out for that.
-#}
-- depends_on: {{ ref('int_profiles__touched') }}
with

messages as (
    select * from {{ ref('int_messages__sent') }}
    where received_at < {{ as_of() }}
),

{% if continues_build() -%}
anew as (
    select profile_key from {{ ref('int_profiles__touched') }}
    union distinct
    select profile_key from messages
    where received_at = {{ last_as_of() }}
),

{% endif -%}
final as (
    select
        profile_key,
        count(*) as emails_received,
        min(received_at) as first_received_at,
        max(received_at) as last_received_at
    from messages
    where {{ is_touched('profile_key', 'anew') }}
    group by profile_key
)

select * from final
