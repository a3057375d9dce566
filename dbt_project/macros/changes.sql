{#
    A build that goes on notes which rows of some large tables it has changed, by the
    instants that they carry. What else would look at all rows looks at these: tests of
    these tables, and the publication of what is read off them. A row without an instant
    says that any may have changed.
#}


{# Whose changes are noted, with the column that holds the instant. #}
{% macro noted_models() %}
    {%- do return({
        'int_email_events__classified': 'occurred_at',
        'int_email_events__deduplicated': 'occurred_at',
        'int_engagement_tier_changes': 'changed_at',
        'int_engagements__collapsed': 'last_at',
        'int_messages__counted': 'sent_at',
        'int_messages__sent': 'sent_at',
        'int_web_events__resolved': 'occurred_at',
    }) -%}
{% endmacro %}


{#
    The tables, or views over them, of which tests look at what has changed: by which
    column, and in which noted models a row of theirs changes. A row of these views changes
    in nothing else that makes two of one or takes a value away.
#}
{% macro narrowed_relations() %}
    {%- set narrowed = {
        'fct_email_events': ('occurred_at', [
            'int_email_events__classified', 'int_email_events__deduplicated'
        ]),
        'fct_web_events': ('occurred_at', ['int_web_events__resolved']),
        'ftr_open_propensity': ('sent_at', [
            'int_messages__counted', 'int_messages__sent'
        ]),
    } -%}
    {%- for name, instant in noted_models().items() -%}
        {%- do narrowed.update({name: (instant, [name])}) -%}
    {%- endfor -%}
    {%- do return(narrowed) -%}
{% endmacro %}


{#
    Comes before rows are deleted: what is deleted and comes again as it was has not
    changed.
#}
{% macro note_changed_rows(target_relation, temp_relation, columns) -%}
    {%- set instant = noted_models().get(model.name) -%}
    {%- if instant -%}
    {%- set meta = config.get('meta') -%}
    {%- if meta.replaces | length != 1 or meta.get('keeps') or config.get('unique_key') -%}
        {%- do exceptions.raise_compiler_error(
            'of ' ~ model.name ~ ' only what one list replaces can be noted'
        ) -%}
    {%- endif -%}
    {%- set replaces, listed = (meta.replaces.items() | list)[0] -%}
    insert into {{ build_record('changed_rows') }}
    with

    replaced as (
        select {{ columns }} from {{ target_relation }} as kept
        semi join {{ model_relation(listed) }} as touched
            on {{ is_replaced(replaces, meta.get('since')) }}
    ),

    computed as (
        select {{ columns }} from {{ temp_relation }}
    ),

    changed as (
        (select * from replaced except all select * from computed)
        union all
        (select * from computed except all select * from replaced)
    )

    select
        {{ timestamp_literal(started_at()) }} as began_at,
        '{{ model.name }}' as model,
        {{ instant }} as happened_at
    from changed
    group by {{ instant }};
    {%- endif -%}
{%- endmacro %}


{# Any row of these may have changed, as in a build from nothing. #}
{% macro note_all_changed(models) %}
    {%- for name in models -%}
        {%- do run_query(
            'insert into ' ~ build_record('changed_rows') ~ ' values ('
            ~ timestamp_literal(started_at()) ~ ", '" ~ name ~ "', null)"
        ) -%}
    {%- endfor -%}
{% endmacro %}


{#
    The views over noted models hold something else when their code does, though nothing that
    is built anew has changed.
#}
{% macro note_changed_code() %}
    {%- for name, (instant, models) in narrowed_relations().items()
        if name not in noted_models() -%}
        {%- set parts = {} -%}
        {%- do add_view(parts, 'model.' ~ project_name ~ '.' ~ name) -%}
        {%- set made_with = dbt.string_literal(local_md5(tojson(parts))) -%}
        {%- set views = build_record('view_code') -%}
        {%- if run_query(
            'select count(*) from ' ~ views ~ " where view_name = '" ~ name
            ~ "' and made_with = " ~ made_with
        )[0][0] == 0 -%}
            {%- do note_all_changed(models) -%}
            {%- do run_query('delete from ' ~ views ~ " where view_name = '" ~ name ~ "'") -%}
            {%- do run_query(
                'insert into ' ~ views ~ " values ('" ~ name ~ "', " ~ made_with ~ ')'
            ) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}


{# Adds the checksums of a view, of its macros and of the views that it reads. #}
{% macro add_view(parts, unique_id) %}
    {%- set node = graph.nodes[unique_id] -%}
    {%- do parts.update({node.name: node.checksum.checksum}) -%}
    {%- for macro in node.depends_on.macros -%}
        {%- do add_macro(parts, macro) -%}
    {%- endfor -%}
    {%- for parent in node.depends_on.nodes
        if graph.nodes[parent].config.materialized == 'view' -%}
        {%- do add_view(parts, parent) -%}
    {%- endfor -%}
{% endmacro %}


{#
    What of a relation a test has to look at: all of it, or what this build has changed,
    where the same test has passed for all that was there before. With `same`, also those
    rows that share the columns with a changed one.
#}
{% macro tested_part(relation, same=none) -%}
    {%- set changed = changed_instants(relation.identifier) -%}
    {%- if changed is none -%}
    {{ relation }}
    {%- else -%}
    {%- set instant = narrowed_relations()[relation.identifier][0] -%}
    (
        select tested.* from {{ relation }} as tested
        where
            {%- if not same or same == [instant] %}
            {{ changed.replace('?', 'tested.' ~ instant) }}
            {%- else %}
            exists (
                select 1 from {{ relation }} as changed
                where
                    {{ changed.replace('?', 'changed.' ~ instant) }}
                    {%- for column in same %}
                    and changed.{{ column }} is not distinct from tested.{{ column }}
                    {%- endfor %}
            )
            {%- endif %}
    ) as tested
    {%- endif -%}
{%- endmacro %}


{#
    The condition that this build has changed rows of an instant, for which a question mark
    stands, or none: test them all. Bounds that are written out reach every table that a
    view reads.
#}
{% macro changed_instants(name) %}
    {%- if not execute or flags.WHICH != 'build' or name not in narrowed_relations() -%}
        {%- do return(none) -%}
    {%- elif not continues_build() or not has_passed_before() -%}
        {%- do return(none) -%}
    {%- endif -%}
    {%- set noted -%}
        select noted.happened_at from {{ build_record('changed_rows') }} as noted
        where
            noted.began_at = {{ timestamp_literal(started_at()) }}
            and noted.model in ('{{ narrowed_relations()[name][1] | join("', '") }}')
    {%- endset -%}
    {%- set rows, instants, first, last = run_query(
        'select count(*), count(happened_at), min(happened_at), max(happened_at) from ('
        ~ noted ~ ') as noted'
    )[0].values() -%}
    {%- if rows > instants -%}
        {%- do return(none) -%}
    {%- elif rows == 0 -%}
        {%- do return('false') -%}
    {%- endif -%}
    {%- do return(
        '? between ' ~ timestamp_literal(first) ~ ' and ' ~ timestamp_literal(last)
        ~ ' and ? in (' ~ noted ~ ')'
    ) -%}
{% endmacro %}


{#
    Whether this test, as it is now, has passed in the build from which this one goes on, and
    no build has changed anything since.
#}
{% macro has_passed_before() %}
    {%- set unfinished = 'select count(*) from ' ~ build_record('build_states')
        ~ ' where not is_finished and began_at <> ' ~ timestamp_literal(started_at()) -%}
    {%- if run_query(unfinished)[0][0] > 0 -%}
        {%- do return(false) -%}
    {%- endif -%}
    {%- do return(run_query(
        'select count(*) from ' ~ build_record('passed_tests')
        ~ ' where began_at = ' ~ last_began_at()
        ~ ' and test = ' ~ dbt.string_literal(test_as_it_is(model))
    )[0][0] > 0) -%}
{% endmacro %}


{# The name of a test with the checksum of all that it is made with. #}
{% macro test_as_it_is(test) %}
    {%- set parts = {'code': test.raw_code} -%}
    {%- for macro in test.depends_on.macros -%}
        {%- do add_macro(parts, macro) -%}
    {%- endfor -%}
    {%- do return(test.unique_id ~ ' ' ~ local_md5(tojson(parts))) -%}
{% endmacro %}


{# After each call of dbt: which of the tests that may look at less have passed. #}
{% macro note_passed_tests(results) %}
    {%- set passed = [] -%}
    {%- for result in results
        if result.node.resource_type == 'test' and result.status == 'pass'
        and (result.node.attached_node or '').split('.') | last in narrowed_relations() -%}
        {%- do passed.append(
            '(' ~ timestamp_literal(started_at()) ~ ', '
            ~ dbt.string_literal(test_as_it_is(result.node)) ~ ')'
        ) -%}
    {%- endfor -%}
    {%- if passed -%}
        {%- do run_query(
            'insert into ' ~ build_record('passed_tests')
            ~ ' values ' ~ passed | join(', ')
        ) -%}
    {%- endif -%}
{% endmacro %}
