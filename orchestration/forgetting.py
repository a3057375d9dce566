"""Who asked to be forgotten leaves every table at once; what names them goes with the file.

The raw tables are ingestion's to clean and the ledger delivery's; here it is seen to that all of
it, and all that was made of it, happens together or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb

from ingestion import erasure
from ingestion.erasure import Erased
from ingestion.schema import prepare
from ingestion.values import quote, quote_text
from orchestration.database import flush, open_warehouse
from orchestration.publication import forget_files
from reverse_etl import ledger

_REWRITE_DUE = "rewrite_due"
# Under a name that no warehouse has: DuckDB calls one after its file.
_REWRITTEN = quote("the warehouse, written anew")
# The rooms that own these forget in their own way.
_OWNED_SCHEMAS = ("raw", "reverse_etl")


def forget(
    connection: duckdb.DuckDBPyConnection,
    *,
    profile_key: str,
    erasure_key: bytes,
    as_of: datetime,
    erased_at: datetime,
) -> Erased:
    """Take out of the warehouse who asked for it by `as_of`, and who came back since.

    Times are naive UTC. Raw tables, all that was made of them, and scores lose the person in one
    transaction; the ledger of deliveries keeps what a destination needs to be told, until it was.
    """
    ledger.prepare(connection)
    connection.begin()
    try:
        erased = erasure.erase(connection, key=erasure_key, as_of=as_of, erased_at=erased_at)
        if erased.rows:
            _find_profiles(connection, profile_key)
            _purge_derived(connection)
            _let_all_be_built_anew(connection, erased)
            forget_files(connection)
            ledger.note_erased(connection, erased_at)
            _demand_rewrite(connection)
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
    return erased


def file_request(connection: duckdb.DuckDBPyConnection, email: str, requested_at: datetime) -> bool:
    """Ask for an address to be erased by the next run as of then or later, as a file would.

    The time is naive UTC, and the request counts from the beginning of its second: times are told
    and typed without fractions. Tells whether the raw tables know the address now.
    """
    prepare(connection)
    connection.execute(
        "insert into raw.erasure_requests (email, requested_at, _loaded_at)"
        " values ($1, date_trunc('second', $2::timestamp), $2)",
        [email, requested_at],
    )
    return erasure.is_known(connection, email)


def _find_profiles(connection: duckdb.DuckDBPyConnection, profile_key: str) -> None:
    """Make `erased_profiles (profile_id)`; the id is the keyed hash of the address, as in dbt."""
    connection.execute(
        """
        create or replace temp table erased_profiles as
        select sha256($key || ':' || email) as profile_id, email from erased_addresses
        """,
        {"key": profile_key},
    )


def _purge_derived(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete the erased from every table that names people by id, address or key.

    Columns with an address end with `email`; one may be as it was written, before staging made one
    spelling of it.
    """
    tables: dict[tuple[str, str], set[str]] = {}
    for schema, table, column in connection.execute(
        """
        select columns.schema_name, columns.table_name, columns.column_name
        from duckdb_columns() as columns
        inner join duckdb_tables() as tables using (database_name, schema_name, table_name)
        where
            columns.database_name = current_database()
            and not list_contains(?, columns.schema_name)
            and not tables.temporary
            and (
                columns.column_name in ('profile_id', 'profile_key')
                or (columns.column_name like '%email' and columns.data_type = 'VARCHAR')
            )
        order by all
        """,
        [list(_OWNED_SCHEMAS)],
    ).fetchall():
        tables.setdefault((schema, table), set()).add(column)
    has_keys = {"profile_key", "email"} <= tables.get(
        ("intermediate", "int_profiles__resolved"), set()
    )
    # Keys are short numbers that only the newest build can tell.
    if has_keys:
        connection.execute(
            """
            create or replace temp table erased_keys as
            select profile_key from intermediate.int_profiles__resolved
            where email in (select email from erased_addresses)
            """
        )
    for (schema, table), columns in tables.items():
        named = []
        for column in sorted(columns):
            if column == "profile_id":
                named.append("profile_id in (select profile_id from erased_profiles)")
            elif column != "profile_key":
                address = erasure.normalise(quote(column))
                named.append(f"{address} in (select email from erased_addresses)")
            elif has_keys:
                named.append("profile_key in (select profile_key from erased_keys)")
        if named:
            connection.execute(
                f"delete from {quote(schema)}.{quote(table)} where {' or '.join(named)}"
            )


def _let_all_be_built_anew(connection: duckdb.DuckDBPyConnection, erased: Erased) -> None:
    """Let the next build start from nothing: what was tied to the erased is other people's too.

    A visitor's events, say, or a contact that has had two addresses. dbt reads the reason. Rows
    that no build has seen leave no trace: somebody who was erased long ago may be in every nightly
    export.
    """
    there = connection.execute(
        "select 1 from duckdb_tables() where database_name = current_database()"
        " and schema_name = 'intermediate' and table_name = 'build_states'"
    ).fetchone()
    if not there:
        return
    ((began_at,),) = connection.execute(
        "select max(began_at) from intermediate.build_states"
    ).fetchall()
    is_new = erased.loaded_from and began_at and erased.loaded_from > began_at
    if erased.addresses or not is_new:
        connection.execute(
            "update intermediate.build_states"
            " set is_finished = false, rebuild_reason = 'people were erased'"
        )


@contextmanager
def rewriting_what_is_forgotten(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Have the file written anew if the ledger of deliveries forgets people within.

    It does so once the destinations have confirmed their removal, perhaps many runs after the
    erasure. Demanded beforehand, because a kill may come right after it.
    """
    ledger.prepare(connection)
    waiting = _count_waiting(connection)
    if not waiting or needs_rewrite(connection):
        yield
        return
    _demand_rewrite(connection)
    yield
    if _count_waiting(connection) == waiting:
        connection.execute("delete from raw.warehouse_settings where name = ?", [_REWRITE_DUE])


def _count_waiting(connection: duckdb.DuckDBPyConnection) -> int:
    ((waiting,),) = connection.execute(
        "select count(*) from reverse_etl.erased_profiles"
    ).fetchall()
    return int(waiting)


def _demand_rewrite(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "insert or ignore into raw.warehouse_settings values (?, 'true')", [_REWRITE_DUE]
    )


def needs_rewrite(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether freed blocks of the file may still hold what was erased."""
    there = connection.execute(
        "select 1 from duckdb_tables() where database_name = current_database()"
        " and schema_name = 'raw' and table_name = 'warehouse_settings'"
    ).fetchone()
    return bool(
        there
        and connection.execute(
            "select 1 from raw.warehouse_settings where name = ?", [_REWRITE_DUE]
        ).fetchone()
    )


def rewrite_if_due(warehouse: Path) -> None:
    """Write the warehouse to a new file that takes the old one's place, where one is due.

    The caller holds the warehouse, and no connection to it is open. It is the old file or the new
    one at any instant. Raises what DuckDB or the disk says; then the old one stays, and due.
    """
    draft = warehouse.with_name(f".{warehouse.name}.rewritten")
    draft.unlink(missing_ok=True)
    with open_warehouse(warehouse) as connection:
        if not needs_rewrite(connection):
            return
        # What a killed run left in the write-ahead log belongs to the file before it is replaced.
        connection.execute("checkpoint")
    try:
        with duckdb.connect() as connection:
            connection.execute("set async_threads = 0")
            connection.execute(
                f"attach {quote_text(str(warehouse))} as {quote(warehouse.stem)} (read_only)"
            )
            connection.execute(f"attach {quote_text(str(draft))} as {_REWRITTEN}")
            connection.execute(f"copy from database {quote(warehouse.stem)} to {_REWRITTEN}")
            connection.execute(
                f"delete from {_REWRITTEN}.raw.warehouse_settings where name = ?", [_REWRITE_DUE]
            )
            connection.execute(f"detach {_REWRITTEN}")
        flush(draft)
        draft.replace(warehouse)
        flush(warehouse.parent)
    finally:
        draft.unlink(missing_ok=True)
