"""Build a world in steps as dbt does: from nothing first, then from what the build before left.

dbt compiles the project once from nothing and once to continue, for an `as_of` that is nobody's;
other instants are put into its SQL afterwards. What its macros keep on record (`increments.sql`)
is done here a second time, for a world in memory; `test_continued_builds` runs dbt itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from graphlib import TopologicalSorter
from typing import Any

import duckdb

from ingestion.contract import SCHEMA as RAW_SCHEMA
from ingestion.loader import load
from tests.dbt_project.building import CATALOG, LOADED_AT, Project, Statement, making_of

# Naive times are UTC here.
NOBODYS_LAST_AS_OF = datetime(2001, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001
NOBODYS_AS_OF = datetime(2001, 2, 3, 4, 5, 6, 789012)  # noqa: DTZ001
# The first minute of loading that dbt writes out where nothing has arrived: too late for any row.
NEVER = datetime(9999, 12, 31)  # noqa: DTZ001
NOTED = {
    "int_email_events__classified": "occurred_at",
    "int_email_events__deduplicated": "occurred_at",
    "int_messages__counted": "sent_at",
    "int_messages__sent": "sent_at",
    "int_web_events__resolved": "occurred_at",
}
"""The models of which a publication wants to know when rows changed, with the column that tells."""
CONTINUED = ("email_events", "web_events", "orders", "contacts", "consents", "erasure_requests")
"""The raw tables whose rows a build tells apart by their time of loading."""


class Steps:
    """The SQL of builds from nothing, and of builds that continue."""

    def __init__(self, project: Project) -> None:
        """Build a warehouse without a row, so that dbt has something to continue from."""
        finished = project.seeded.with_name("finished") / f"{CATALOG}.duckdb"
        finished.parent.mkdir()
        shutil.copy(project.seeded, finished)
        empty = finished.parent / "landing"
        empty.mkdir()
        with duckdb.connect(finished) as connection:
            load(connection, empty, LOADED_AT)
        project.dbt("run", warehouse=finished, as_of=NOBODYS_LAST_AS_OF)
        self._anew = project.statements(NOBODYS_AS_OF)
        only_models = ("--select", "resource_type:model", "--indirect-selection", "empty")
        compiled = project.dbt("compile", *only_models, warehouse=finished, as_of=NOBODYS_AS_OF)
        statements = [_continuing(one.node) for one in compiled.result.results]
        models = {statement.model: statement for statement in statements}
        order = TopologicalSorter({s.model: s.parents & set(models) for s in statements})
        self._continuing = [models[name] for name in order.static_order()]
        self.carried_on = [
            f"{one.node.schema}.{one.node.alias}"
            for one in compiled.result.results
            if one.node.config.materialized == "incremental"
            and one.node.config.full_refresh is None
        ]
        """The tables that a build which goes on does not make anew."""

    def build(self, connection: duckdb.DuckDBPyConnection, as_of: datetime) -> bool:
        """Build the world as of an instant, and tell whether it was from nothing."""
        last = _begin(connection, as_of)
        for statement in self._anew if last is None else self._continuing:
            sql = _at(statement, as_of, last)
            try:
                connection.execute(sql)
            except duckdb.Error as error:
                raise AssertionError(f"{statement.model}: {error}") from error
        _finish(connection)
        return last is None


def _continuing(node: Any) -> Statement:
    """Return how dbt makes a model where there is one already."""
    made = making_of(node)
    if node.config.materialized != "incremental" or node.config.full_refresh is False:
        return made
    relation = f'"{CATALOG}"."{node.schema}"."{node.alias}"'
    meta = node.config.meta
    listed = {name: f'"{CATALOG}".intermediate.{name}' for name in _listing(meta)}
    sql = [f"create or replace temp table computed as ({node.compiled_code})"]
    instant = NOTED.get(node.name)
    if instant is not None:
        sql.append(f"create or replace temp table before as from {relation}")
    sql += [
        f"delete from {relation} as kept using {listed[name]} as touched where {_same(columns)}"
        + _since(meta.get("since"))
        for columns, name in meta.get("replaces", {}).items()
    ]
    sql += [
        f"delete from {relation} where {column} not in (select {column} from {listed[name]})"
        for column, name in meta.get("keeps", {}).items()
    ]
    if node.config.unique_key:
        same = " and ".join(
            f"kept.{column} is not distinct from computed.{column}"
            for column in node.config.unique_key
        )
        sql.append(
            f"delete from {relation} as kept where exists (select 1 from computed where {same})"
        )
    sql.append(f"insert into {relation} by name select * from computed")
    if instant is not None:
        sql.append(
            f"insert into intermediate.changed_rows select '{node.name}', {instant} from"
            f" ((from before except all from {relation})"
            f" union all (from {relation} except all from before)) group by all"
        )
    return Statement(made.model, made.parents, ";\n".join(sql))


def _same(columns: str) -> str:
    return " and ".join(f"kept.{column} = touched.{column}" for column in columns.split(", "))


def _since(column: str | None) -> str:
    if column is None:
        return ""
    return f" and (kept.{column} is null or kept.{column} >= touched.changed_from)"


def _listing(meta: Any) -> Sequence[str]:
    return [*meta.get("replaces", {}).values(), *meta.get("keeps", {}).values()]


def _at(statement: Statement, as_of: datetime, last: datetime | None) -> str:
    """Return the SQL as of an instant; the list of cutoffs is all that dbt makes of it itself.

    What has been loaded since is told by the hours in `intermediate.arrivals` alone.
    """
    if statement.model == "int_cutoffs__listed":
        months = [as_of.year * 12 + as_of.month - 1 - back for back in range(12)]
        cutoffs = {as_of, *(datetime(m // 12, m % 12 + 1, 1) for m in months)}  # noqa: DTZ001
        rows = ", ".join(f"(timestamp '{cutoff}')" for cutoff in sorted(cutoffs))
        return (
            f'create or replace table "{CATALOG}".intermediate.int_cutoffs__listed as'
            f" select * from (values {rows}) as cutoffs (cutoff_at)"
        )
    sql = statement.create
    for written, meant in (
        (NOBODYS_AS_OF, as_of),
        (NOBODYS_LAST_AS_OF, last or as_of),
        (NEVER, datetime.min),  # noqa: DTZ901 - as above
    ):
        sql = sql.replace(f"{written:%Y-%m-%d %H:%M:%S.%f}", meant.isoformat(" "))
    return sql


def _begin(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> datetime | None:
    """Note what has arrived, and return the last as_of, or none where all is built anew."""
    connection.execute(
        """
        create table if not exists intermediate.build_states (as_of timestamp, is_finished boolean);
        create table if not exists intermediate.build_rows
            (source_table varchar, loaded_minute timestamp, row_count bigint);
        create table if not exists intermediate.arrivals
            (source_table varchar, loaded_minute timestamp);
        create table if not exists intermediate.addresses_to_rebuild (email varchar);
        create table if not exists intermediate.built_cutoffs (cutoff_at timestamp);
        create table if not exists intermediate.changed_rows
            (model varchar, happened_at timestamp);
        create or replace temp table rows_now
            (source_table varchar, loaded_minute timestamp, row_count bigint);
        """
    )
    for table in CONTINUED:
        connection.execute(
            f"insert into rows_now select '{table}', date_trunc('minute', _loaded_at), count(*)"
            f" from {RAW_SCHEMA}.{table} group by all"
        )
    connection.execute(
        """
        create or replace table intermediate.arrivals as
        select rows_now.source_table, rows_now.loaded_minute
        from rows_now
        left join intermediate.build_rows as seen using (source_table, loaded_minute)
        where rows_now.row_count > coalesce(seen.row_count, 0)
        """
    )
    before = connection.execute("select max(as_of) from intermediate.build_states").fetchone()
    asked = connection.execute(
        f"""
        select count(*) from {RAW_SCHEMA}.erasure_requests
        where
            date_trunc('minute', _loaded_at) in (
                select loaded_minute from intermediate.arrivals
                where source_table = 'erasure_requests'
            )
            or requested_at > (select max(as_of) from intermediate.build_states)
        """
    ).fetchone()
    erased_again = connection.execute(
        f"""
        with erased as (
            select lower(trim(email)) as email from {RAW_SCHEMA}.erasure_requests
            where requested_at <= $as_of
        ),

        rows as (
            select 'contacts' as source_table, email, updated_at as happened_at, _loaded_at
            from {RAW_SCHEMA}.contacts
            union all
            select 'orders', email, ordered_at, _loaded_at from {RAW_SCHEMA}.orders
            union all
            select 'orders', email, updated_at, _loaded_at from {RAW_SCHEMA}.orders
            union all
            select 'web_events', email, occurred_at, _loaded_at from {RAW_SCHEMA}.web_events
        )

        select count(*) from rows
        where
            lower(trim(email)) in (from erased)
            and (
                (source_table, date_trunc('minute', _loaded_at)) in (from intermediate.arrivals)
                or happened_at > (select max(as_of) from intermediate.build_states)
                and happened_at <= $as_of
            )
        """,
        {"as_of": as_of},
    ).fetchone()
    goes_on = before is not None and before[0] is not None and before[0] <= as_of
    is_anew = not goes_on or asked != (0,) or erased_again != (0,)
    if is_anew:
        connection.execute("delete from intermediate.build_states")
        for model in NOTED:
            connection.execute("insert into intermediate.changed_rows values (?, null)", [model])
    connection.execute("insert into intermediate.build_states values (?, false)", [as_of])
    return None if is_anew or before is None else before[0]


def _finish(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        """
        delete from intermediate.build_states where is_finished;
        update intermediate.build_states set is_finished = true;
        create or replace table intermediate.build_rows as from rows_now;
        delete from intermediate.addresses_to_rebuild;
        create or replace table intermediate.built_cutoffs as
        select cutoff_at from intermediate.int_cutoffs__listed;
        """
    )


def hold_back(connection: duckdb.DuckDBPyConnection) -> None:
    """Take all rows of the raw tables aside, for batches to come."""
    connection.execute("create schema held")
    for (table,) in connection.execute(
        f"select table_name from duckdb_tables() where schema_name = '{RAW_SCHEMA}'"
        " and table_name in (select unnest(?))",
        [[*CONTINUED, "order_lines", "products", "campaigns"]],
    ).fetchall():
        connection.execute(f"create table held.{table} as select * from {RAW_SCHEMA}.{table}")
        connection.execute(f"delete from {RAW_SCHEMA}.{table}")


def bring(connection: duckdb.DuckDBPyConnection, batch: int, batches: int, salt: int) -> None:
    """Load one batch of the rows held back: which, hangs on the row's place and the salt."""
    loaded_at = LOADED_AT + timedelta(minutes=37 * batch)
    for (table,) in connection.execute(
        "select table_name from duckdb_tables() where schema_name = 'held'"
    ).fetchall():
        connection.execute(
            f"insert into {RAW_SCHEMA}.{table}"
            f" select * replace (?::timestamp as _loaded_at) from held.{table}"
            " where hash(rowid, ?) % ? = ?",
            [loaded_at, salt, batches, batch],
        )
