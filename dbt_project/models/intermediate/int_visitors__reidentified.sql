{#-
    Visitors who may be somebody else since the last finished build, or known earlier: a
    log-in has arrived that is the first of theirs. All that they did is computed again.
-#}
with

written as (
    select * from {{ ref('int_visitors__written') }}
),

addresses as (
    select * from {{ ref('int_addresses__normalised') }}
    where is_valid
),

visitors as (
    select * from {{ ref('int_visitors__identified') }}
),

final as (
    select distinct visitors.anonymous_id
    from written
    inner join addresses on written.written_email = addresses.written_email
    inner join visitors on written.anonymous_id = visitors.anonymous_id
    where written.first_written_at <= visitors.identified_at
)

select * from final
