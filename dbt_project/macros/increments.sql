{#
    A build continues from the last finished one: it computes anew the profiles that anything
    new is about, and leaves the rest. What that build saw is on record: how many rows each
    raw table had of each minute of loading, its as_of, and what its tables were made with.
#}


{# Tables that builds keep for themselves, beside the models of this layer. #}
{% macro build_record(name) -%}
    {{ return(api.Relation.create(
        database=target.database,
        schema=generate_schema_name('intermediate', none),
        identifier=name
    )) }}
{%- endmacro %}


{% macro build_records() %}
    {%- do return({
        'build_states': [
            ('began_at', 'timestamp'), ('as_of', 'timestamp'),
            ('made_with', dbt.type_string()), ('rebuild_reason', dbt.type_string()),
            ('is_finished', 'boolean'),
        ],
        'build_rows': [
            ('began_at', 'timestamp'), ('source_table', dbt.type_string()),
            ('loaded_minute', 'timestamp'), ('row_count', dbt.type_bigint()),
        ],
        'built_models': [('began_at', 'timestamp'), ('model', dbt.type_string())],
        'arrivals': [
            ('source_table', dbt.type_string()), ('loaded_minute', 'timestamp'),
        ],
        'built_cutoffs': [('cutoff_at', 'timestamp')],
        'addresses_to_rebuild': [('email', dbt.type_string())],
        'changed_rows': [
            ('began_at', 'timestamp'), ('model', dbt.type_string()),
            ('happened_at', 'timestamp'),
        ],
        'passed_tests': [('began_at', 'timestamp'), ('test', dbt.type_string())],
        'view_code': [
            ('view_name', dbt.type_string()), ('made_with', dbt.type_string()),
        ],
    }) -%}
{% endmacro %}


{# What earlier builds have seen of email events; all that may be copies is in the last. #}
{% macro email_event_models() %}
    {%- do return(['int_email_events__deduplicated', 'int_email_events__copied']) -%}
{% endmacro %}


{% macro web_event_models() %}
    {%- do return(['int_web_events__resolved', 'int_web_events__copied']) -%}
{% endmacro %}


{# The raw tables on which models depend that a build continues. #}
{% macro continued_sources() %}
    {%- do return([
        'email_events', 'web_events', 'orders', 'contacts', 'consents', 'erasure_requests'
    ]) -%}
{% endmacro %}


{% macro continued_models() %}
    {%- set found = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
        {%- if node.config.materialized == 'incremental' and node.config.full_refresh is none -%}
            {%- do found.append(node) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(found) -%}
{% endmacro %}


{#
    Whether this build goes on from the last finished one. Where nothing is built, as by
    `dbt compile`, what is shown is how it would.
#}
{% macro continues_build() %}
    {#- A unit test is about the code, not about any build. -#}
    {%- if not execute or model.resource_type == 'unit_test' -%}
        {%- do return(false) -%}
    {%- endif -%}
    {%- set states = build_record('build_states') -%}
    {%- if adapter.get_relation(states.database, states.schema, states.identifier) is none -%}
        {%- do return(false) -%}
    {%- endif -%}
    {%- if flags.WHICH in ['build', 'run'] -%}
        {%- set continued = 'began_at = ' ~ timestamp_literal(started_at())
            ~ ' and rebuild_reason is null' -%}
    {%- else -%}
        {%- set continued = 'is_finished' -%}
    {%- endif -%}
    {%- do return(
        run_query('select count(*) from ' ~ states ~ ' where ' ~ continued)[0][0] > 0
    ) -%}
{% endmacro %}


{# dbt's own asks the flag alone; here nobody has to remember it. #}
{% macro should_full_refresh() %}
    {%- if config.get('full_refresh') is not none -%}
        {%- do return(config.get('full_refresh')) -%}
    {%- endif -%}
    {%- if flags.FULL_REFRESH or model.resource_type != 'model' -%}
        {%- do return(flags.FULL_REFRESH) -%}
    {%- endif -%}
    {%- do return(not continues_build()) -%}
{% endmacro %}


{#- What models say of themselves: which rows they read. -#}


{#
    Rows of a source that the last finished build has not seen: loaded since, or of a time
    that has come since. More than those is never wrong, less is. Where nothing continues,
    all of them, or with `else_none` none. Two selects rather than an `or`, with bounds that
    are written out: so of a table only what lies within them is read.
#}
{% macro arrived_rows(relation, source_table, times, else_none=false) -%}
    {%- if not continues_build() -%}
    select * from {{ relation }}{{ ' where false' if else_none }}
    {%- else -%}
    {%- set is_loaded_since -%}
        {{ loading_minute('loaded_at') }} in (
            select arrivals.loaded_minute from {{ build_record('arrivals') }} as arrivals
            where arrivals.source_table = '{{ source_table }}'
        )
    {%- endset -%}
    select * from {{ relation }}
    where
        {{ is_loaded_since }}
        and (loaded_at >= {{ first_arrival(source_table) }} or loaded_at is null)
    union all
    select * from {{ relation }}
    where
        (
            {%- for time in times %}
            ({{ time }} > {{ last_as_of() }} and {{ time }} <= {{ as_of() }})
            {{- ' or' if not loop.last }}
            {%- endfor %}
        )
        and not ({{ is_loaded_since }})
    {%- endif -%}
{%- endmacro %}


{# The first minute of loading of what has arrived, or a time that never comes. #}
{% macro first_arrival(source_table) -%}
    {%- set first = run_query(
        'select min(loaded_minute) from ' ~ build_record('arrivals')
        ~ " where source_table = '" ~ source_table ~ "'"
    )[0][0] -%}
    {{ timestamp_literal(first or utc_datetime('9999-12-31')) }}
{%- endmacro %}


{# Rows that no loader has given a time are counted like those of a minute. #}
{% macro loading_minute(loaded_at) -%}
    {{ minute_of(
        'coalesce(' ~ loaded_at ~ ', '
        ~ timestamp_literal(utc_datetime('1970-01-01')) ~ ')'
    ) }}
{%- endmacro %}


{% macro last_as_of() -%}
    {{ timestamp_literal(run_query(
        'select as_of from ' ~ build_record('build_states')
        ~ ' where is_finished order by began_at desc limit 1'
    )[0][0]) }}
{%- endmacro %}


{# True of every row where all are computed anew. #}
{% macro is_touched(column, listed) -%}
    {%- if continues_build() -%}
        {{ column }} in (select touched.{{ column.split('.') | last }} from {{ listed }} as touched)
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{# True of the addresses that somebody has listed to be computed anew. #}
{% macro is_to_rebuild(email) -%}
    {%- if continues_build() -%}
        {{ email }} in (select listed.email from {{ build_record('addresses_to_rebuild') }} as listed)
    {%- else -%}
        false
    {%- endif -%}
{%- endmacro %}


{#
    Joins what a build that goes on computes anew, as `touched`: of a list, and with `since`
    only what is, or still holds, at the instant from which on things may differ, or that
    `changed_from` makes of it. A null there holds for ever.
#}
{% macro join_touched(
    alias, listed, since=none, key='profile_key', changed_from='touched.changed_from'
) -%}
    {%- if continues_build() -%}
    inner join {{ listed }} as touched
        on
            {{ alias }}.{{ key }} = touched.{{ key }}
            {%- if since is not none %}
            and ({{ since }} is null or {{ since }} >= {{ changed_from }})
            {%- endif %}
    {%- endif -%}
{%- endmacro %}


{# Of features at cutoffs: the pairs of cutoff and profile that are computed anew. #}
{% macro join_due(due, cutoffs, profiles) -%}
    {%- if continues_build() -%}
    inner join {{ due }} as due
        on
            {{ cutoffs }}.cutoff_at = due.cutoff_at
            and {{ profiles }}.profile_key = due.profile_key
    {%- endif -%}
{%- endmacro %}


{#
    The strategy of all continued models. dbt's delete+insert deletes what comes again; but a
    profile may lose rows that do not come again. `replaces` maps columns to the model that
    lists what is computed anew, `since` names the column whose instant must be at or after
    the change that is listed, `keeps` maps a column to the model that lists what may stay. A
    `unique_key`, where there is one, says which rows a new one takes the place of.
#}
{% macro get_incremental_replace_touched_sql(arguments) %}
    {%- set target_relation = arguments.target_relation -%}
    {%- set meta = config.get('meta') or {} -%}
    {{ note_changed_rows(
        target_relation,
        arguments.temp_relation,
        arguments.dest_columns | map(attribute='quoted') | join(', '),
    ) }}
    {%- for columns, listed in (meta.get('replaces') or {}).items() %}
    delete from {{ target_relation }} as kept
    using {{ model_relation(listed) }} as touched
    where {{ is_replaced(columns, meta.get('since')) }};
    {%- endfor %}
    {%- for column, listed in (meta.get('keeps') or {}).items() %}
    delete from {{ target_relation }}
    where {{ column }} not in (select {{ column }} from {{ model_relation(listed) }});
    {%- endfor %}
    {%- if arguments.unique_key %}
    delete from {{ target_relation }} as kept
    where exists (
        select 1 from {{ arguments.temp_relation }} as computed
        where
            {%- for column in arguments.unique_key %}
            kept.{{ column }} is not distinct from computed.{{ column }}
            {{- ' and' if not loop.last }}
            {%- endfor %}
    );
    {%- endif %}
    {{ get_insert_into_sql(
        target_relation, arguments.temp_relation, arguments.dest_columns
    ) }}
{% endmacro %}


{# Of a row `kept`, that a row of a list, `touched`, lets it be computed anew. #}
{% macro is_replaced(columns, since=none) -%}
    {%- for column in columns.split(', ') -%}
        kept.{{ column }} = touched.{{ column }}
        {{- ' and ' if not loop.last }}
    {%- endfor -%}
    {%- if since %}
        and (kept.{{ since }} is null or kept.{{ since }} >= touched.changed_from)
    {%- endif -%}
{%- endmacro %}


{#
    Adapters of other warehouses refuse a strategy that they don't have. Nothing continues
    there, so it never comes to the one that is named instead.
#}
{% macro continued_strategy() %}
    {%- do return('replace_touched' if target.type == 'duckdb' else 'merge') -%}
{% endmacro %}


{# Not by ref(): the model that is built reads it, or reads what does. #}
{% macro model_relation(name) %}
    {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ name] -%}
    {%- do return(api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias
    )) -%}
{% endmacro %}


{#- What a build keeps on record of itself. -#}


{#
    A run calls dbt more than once: what its first call decides, the others follow.
#}
{% macro note_begin() %}
    {%- for name, columns in build_records().items() -%}
        {%- do drop_if_of_another_version(build_record(name), columns) -%}
        {%- set definitions = [] -%}
        {%- for column, type in columns -%}
            {%- do definitions.append(column ~ ' ' ~ type) -%}
        {%- endfor -%}
        {%- do run_query(
            'create table if not exists ' ~ build_record(name)
            ~ ' (' ~ definitions | join(', ') ~ ')'
        ) -%}
        {%- do adapter.cache_added(build_record(name)) -%}
    {%- endfor -%}
    {%- set states = build_record('build_states') -%}
    {%- set began_at = timestamp_literal(started_at()) -%}
    {%- if run_query(
        'select count(*) from ' ~ states ~ ' where began_at = ' ~ began_at
    )[0][0] == 0 -%}
        {%- for table in continued_sources() -%}
            {%- do run_query(
                'insert into ' ~ build_record('build_rows')
                ~ ' select ' ~ began_at ~ ', ' ~ dbt.string_literal(table)
                ~ ', ' ~ loading_minute('_loaded_at') ~ ', count(*)'
                ~ ' from ' ~ source_relation(table)
                ~ ' group by ' ~ loading_minute('_loaded_at')
            ) -%}
        {%- endfor -%}
        {%- set made_with = what_tables_are_made_with() -%}
        {%- set reason = rebuild_reason(made_with) -%}
        {%- do run_query(
            'insert into ' ~ states ~ ' values (' ~ began_at ~ ', ' ~ as_of() ~ ', '
            ~ dbt.string_literal(tojson(made_with)) ~ ', '
            ~ ('null' if reason is none else dbt.string_literal(dbt.escape_single_quotes(reason)))
            ~ ', false)'
        ) -%}
        {%- do run_query('delete from ' ~ build_record('arrivals') ~ ' where true') -%}
        {%- if reason is none -%}
            {%- do run_query(
                'insert into ' ~ build_record('arrivals')
                ~ ' select source_table, loaded_minute from (' ~ compared_rows() ~ ') as compared'
                ~ ' where rows_now > rows_then'
            ) -%}
        {%- else -%}
            {%- do note_all_changed(noted_models()) -%}
        {%- endif -%}
        {%- do note_changed_code() -%}
    {%- endif -%}
{% endmacro %}


{# Without its records a build is from nothing, which is right after an upgrade. #}
{% macro drop_if_of_another_version(record, columns) %}
    {%- set there = adapter.get_relation(record.database, record.schema, record.identifier) -%}
    {%- if there is not none -%}
        {%- set found = run_query('select * from ' ~ record ~ ' where false') -%}
        {%- if found.column_names | list != columns | map('first') | list -%}
            {%- do run_query('drop table ' ~ record) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{% macro source_relation(table) %}
    {%- for source in graph.sources.values()
        if source.source_name == 'raw' and source.name == table -%}
        {%- do return(api.Relation.create(
            database=source.database, schema=source.schema, identifier=source.identifier
        )) -%}
    {%- endfor -%}
{% endmacro %}


{# Per raw table and minute of loading, the rows now and those of the last finished build. #}
{% macro compared_rows() -%}
    select
        source_table,
        loaded_minute,
        sum(case when began_at = {{ timestamp_literal(started_at()) }} then row_count else 0 end)
            as rows_now,
        sum(case when began_at = {{ last_began_at() }} then row_count else 0 end) as rows_then
    from {{ build_record('build_rows') }}
    group by source_table, loaded_minute
{%- endmacro %}


{% macro last_began_at() -%}
    (select max(began_at) from {{ build_record('build_states') }} where is_finished)
{%- endmacro %}


{# Below so many rows of a table all is built in a moment, whichever way. #}
{% macro rows_worth_continuing() %}
    {%- do return(100000) -%}
{% endmacro %}


{# Why everything is built anew, in words for people, or none where the build goes on. #}
{% macro rebuild_reason(made_with) %}
    {%- if flags.FULL_REFRESH -%}
        {%- do return('a full refresh was asked for') -%}
    {%- elif continued_strategy() != 'replace_touched' -%}
        {%- do return('only in DuckDB a build goes on from the last') -%}
    {%- endif -%}
    {%- set states = build_record('build_states') -%}
    {#- What was to be built anew is still to be, until a build comes to its end. -#}
    {%- set unmet = run_query(
        'select max(rebuild_reason) from ' ~ states ~ ' where not is_finished'
    )[0][0] -%}
    {%- if unmet -%}
        {%- do return(unmet) -%}
    {%- endif -%}
    {%- set finished = run_query(
        'select made_with from ' ~ states
        ~ ' where is_finished order by began_at desc limit 1'
    ) -%}
    {%- if finished | length == 0 -%}
        {%- do return('no build has finished before') -%}
    {%- endif -%}
    {%- set newest = run_query('select max(as_of) from ' ~ states)[0][0] -%}
    {%- if newest > as_of_datetime() -%}
        {%- do return('as_of goes back, from ' ~ newest ~ ' to ' ~ as_of_datetime()) -%}
    {%- endif -%}
    {%- set made_before = fromjson(finished[0][0]) -%}
    {%- for part, checksum in made_with.items() if made_before.get(part) != checksum -%}
        {%- do return(part ~ ' has changed') -%}
    {%- endfor -%}
    {%- for part in made_before if part not in made_with -%}
        {%- do return(part ~ ' is gone') -%}
    {%- endfor -%}
    {%- for node in continued_models() -%}
        {%- set relation = adapter.get_relation(node.database, node.schema, node.alias) -%}
        {%- if relation is none or not relation.is_table -%}
            {%- do return(node.name ~ ' is missing') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set compared = compared_rows() -%}
    {%- set gone = run_query(
        'select min(source_table) from (' ~ compared ~ ') as compared where rows_now < rows_then'
    )[0][0] -%}
    {%- if gone is not none -%}
        {%- do return('rows of raw.' ~ gone ~ ' are gone') -%}
    {%- endif -%}
    {#- To look for what is new costs more than to look at all, where most is. -#}
    {%- set crowded = run_query(
        'select min(source_table) from ('
        ~ 'select source_table from (' ~ compared ~ ') as compared group by source_table'
        ~ ' having sum(rows_now) > ' ~ rows_worth_continuing()
        ~ ' and 2 * sum(case when rows_now > rows_then then rows_now else 0 end) > sum(rows_now)'
        ~ ') as crowded'
    )[0][0] -%}
    {%- if crowded is not none -%}
        {%- do return('most rows of raw.' ~ crowded ~ ' are new') -%}
    {%- endif -%}
    {#- Contacts, orders and visitors of theirs are nobody's from now on. -#}
    {%- if erased_come_again(compared) -%}
        {%- do return('rows of somebody who was erased have come') -%}
    {%- endif -%}
    {#- Whom a request is about, and who else was tied to them, is not in what has arrived. -#}
    {%- if run_query(
        'select count(*) from ' ~ source_relation('erasure_requests')
        ~ ' where requested_at <= ' ~ as_of() ~ ' and (requested_at > ' ~ last_as_of()
        ~ ' or ' ~ loading_minute('_loaded_at') ~ ' in ('
        ~ 'select loaded_minute from (' ~ compared ~ ') as compared'
        ~ " where source_table = 'erasure_requests' and rows_now > rows_then))"
    )[0][0] > 0 -%}
        {%- do return('somebody asked to be erased') -%}
    {%- endif -%}
    {%- do return(none) -%}
{% endmacro %}


{# The loader lets none of them in; another may. #}
{% macro erased_come_again(compared) %}
    {%- set requests = model_relation('stg_crm__erasure_requests') -%}
    {%- set erased = 'select email from ' ~ requests ~ ' where requested_at <= ' ~ as_of() -%}
    {%- if run_query('select count(*) from (' ~ erased ~ ') as erased')[0][0] == 0 -%}
        {%- do return(false) -%}
    {%- endif -%}
    {%- for table, staging, email, times in [
        ('contacts', 'stg_crm__contacts', 'email', ['updated_at']),
        ('orders', 'stg_commerce__orders', 'email', ['ordered_at', 'updated_at']),
        ('web_events', 'stg_web__events', normalise_email('written_email'), ['occurred_at']),
    ] -%}
        {%- set has_come = [] -%}
        {%- for time in times -%}
            {%- do has_come.append(
                '(' ~ time ~ ' > ' ~ last_as_of() ~ ' and ' ~ time ~ ' <= ' ~ as_of() ~ ')'
            ) -%}
        {%- endfor -%}
        {%- do has_come.append(
            loading_minute('loaded_at') ~ ' in (select loaded_minute from (' ~ compared
            ~ ') as compared where source_table = ' ~ dbt.string_literal(table)
            ~ ' and rows_now > rows_then)'
        ) -%}
        {%- if run_query(
            'select count(*) from ' ~ model_relation(staging) ~ ' where (' ~ has_come | join(' or ')
            ~ ') and ' ~ email ~ ' in (' ~ erased ~ ')'
        )[0][0] > 0 -%}
            {%- do return(true) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(false) -%}
{% endmacro %}


{#
    Checksums by name of all that decides what continued tables hold, besides rows and time:
    these models and what they read, seeds, macros, and settings.
#}
{% macro what_tables_are_made_with() %}
    {%- set parts = {
        'the kind of the warehouse': target.type,
        'the version of dbt': dbt_version,
        'how rows are hashed': run_query('select ' ~ row_hash(["'a'", '1']))[0][0] | string
            if continued_strategy() == 'replace_touched' else '',
        'the setting reporting_currency': local_md5(tojson(var('reporting_currency'))),
        'the setting cutoffs': local_md5(tojson(var('cutoffs'))),
    } -%}
    {%- for node in continued_models() -%}
        {%- do add_with_ancestors(parts, node.unique_id) -%}
    {%- endfor -%}
    {%- do return(parts) -%}
{% endmacro %}


{% macro add_with_ancestors(parts, unique_id) %}
    {%- set node = graph.nodes.get(unique_id) -%}
    {%- if node is not none and node.resource_type in ['model', 'seed'] -%}
        {%- set name = node.resource_type ~ ' ' ~ node.name -%}
        {%- if name not in parts -%}
            {#- Of a seed over 1 MB dbt knows the path alone: it may always have changed. -#}
            {%- set is_known = node.checksum.name != 'path' -%}
            {%- do parts.update({
                name: node.checksum.checksum if is_known else 'as of ' ~ started_at()
            }) -%}
            {%- for macro in node.depends_on.macros or [] -%}
                {%- do add_macro(parts, macro) -%}
            {%- endfor -%}
            {%- for parent in node.depends_on.nodes or [] -%}
                {%- do add_with_ancestors(parts, parent) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{% macro add_macro(parts, unique_id) %}
    {%- set name = 'macro ' ~ unique_id.split('.') | last -%}
    {%- if unique_id.split('.')[1] == project_name and name not in parts -%}
        {%- set macro = context[project_name][unique_id.split('.') | last].macro -%}
        {%- do parts.update({name: local_md5(macro.macro_sql)}) -%}
        {%- for called in macro.depends_on.macros -%}
            {%- do add_macro(parts, called) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}


{#
    After each call of dbt: what has been built since the build began. With the last model
    the build is finished, and later ones continue from it.
#}
{% macro note_end(results) %}
    {%- if execute and flags.WHICH in ['build', 'run'] -%}
        {%- set began_at = timestamp_literal(started_at()) -%}
        {%- set built = [] -%}
        {%- for result in results
            if result.node.resource_type == 'model' and result.status == 'success' -%}
            {%- do built.append(
                '(' ~ began_at ~ ', ' ~ dbt.string_literal(result.node.name) ~ ')'
            ) -%}
        {%- endfor -%}
        {%- if built -%}
            {%- do run_query(
                'insert into ' ~ build_record('built_models')
                ~ ' values ' ~ built | join(', ')
            ) -%}
        {%- endif -%}
        {%- do note_passed_tests(results) -%}
        {%- set wanted = graph.nodes.values()
            | selectattr('resource_type', 'equalto', 'model') | list | length -%}
        {%- set done = run_query(
            'select count(distinct model) from ' ~ build_record('built_models')
            ~ ' where began_at = ' ~ began_at
        )[0][0] -%}
        {%- if done == wanted -%}
            {%- set states = build_record('build_states') -%}
            {#- A kill may come between any two of these. What cutoffs the tables hold is
                unknown from here on until it is known of this build; whom to compute anew is
                forgotten when it is done. -#}
            {%- do run_query(
                'delete from ' ~ build_record('built_cutoffs') ~ ' where true'
            ) -%}
            {%- do run_query(
                'update ' ~ states ~ ' set is_finished = true where began_at = ' ~ began_at
            ) -%}
            {%- for name in ['build_states', 'build_rows', 'built_models', 'passed_tests'] -%}
                {%- do run_query(
                    'delete from ' ~ build_record(name) ~ ' where began_at <> ' ~ began_at
                ) -%}
            {%- endfor -%}
            {%- do run_query(
                'delete from ' ~ build_record('addresses_to_rebuild') ~ ' where true'
            ) -%}
            {%- do run_query(
                'insert into ' ~ build_record('built_cutoffs')
                ~ ' select cutoff_at from ' ~ model_relation('int_cutoffs__listed')
            ) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
