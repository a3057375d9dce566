"""A small shop on a Tuesday morning, in raw tables that a test fills by hand."""

from datetime import datetime, timedelta

import duckdb

from ingestion import contract

MONDAY = datetime.fromisoformat("2026-03-02T06:00:00")
TUESDAY = MONDAY + timedelta(days=1)
WEDNESDAY = MONDAY + timedelta(days=2)
AS_OF = TUESDAY


def make_raw_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the raw tables, the ledger and the rejected rows, all empty, as a loader does."""
    connection.execute("create schema raw")
    for table in contract.TABLES.values():
        make_table(connection, table.name, (*table.columns, *contract.ROW_ORIGIN))
    make_table(connection, "loaded_files", contract.LOADED_FILES.columns)
    make_table(connection, "rejected_rows", contract.REJECTED_ROWS.columns)


def make_table(
    connection: duckdb.DuckDBPyConnection, name: str, columns: tuple[contract.Column, ...]
) -> None:
    """Make one table of these columns."""
    definitions = ", ".join(f'"{column.name}" {column.sql_type}' for column in columns)
    connection.execute(f'create table raw."{name}" ({definitions})')


def add(connection: duckdb.DuckDBPyConnection, table: str, **values: object) -> None:
    """Add one row to a raw table; columns not named stay null."""
    names = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join("?" for _ in values)
    connection.execute(f"insert into raw.{table} ({names}) values ({marks})", list(values.values()))


def add_email_event(
    connection: duckdb.DuckDBPyConnection,
    event_type: str | None = "open",
    *,
    occurred_at: datetime = MONDAY,
    email: str | None = "ada@example.com",
    bounce_type: str | None = None,
) -> None:
    """Add an email event; without more, Ada opens something on Monday."""
    add(
        connection,
        "email_events",
        event_type=event_type,
        occurred_at=occurred_at,
        email=email,
        bounce_type=bounce_type,
        _loaded_at=TUESDAY,
    )


def add_file(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    path: str,
    *,
    loaded: int = 0,
    rejected: int = 0,
    status: str = "loaded",
    loaded_at: datetime = TUESDAY,
    gone_at: datetime | None = None,
) -> None:
    """Write a file into the ledger, in place of what it said of it before."""
    connection.execute(
        "delete from raw.loaded_files where table_name = ? and path = ?", [table, path]
    )
    add(
        connection,
        "loaded_files",
        table_name=table,
        path=path,
        size_bytes=1,
        modified_at=MONDAY,
        status=status,
        rows_loaded=loaded,
        rows_rejected=rejected,
        unknown_columns="[]",
        loaded_at=loaded_at,
        gone_at=gone_at,
    )


def add_rejected_row(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    raw_text: str | None,
    *,
    path: str = "day.csv",
    row: int | None = 1,
    reason: str = "occurred_at is no timestamp",
    loaded_at: datetime = TUESDAY,
) -> None:
    """Keep a row that could not be used, as a loader does."""
    add(
        connection,
        "rejected_rows",
        table_name=table,
        path=path,
        row_number=row,
        reason=reason,
        raw_text=raw_text,
        loaded_at=loaded_at,
    )


def add_build(connection: duckdb.DuckDBPyConnection, built_at: datetime) -> None:
    """Note a build of the marts, as they do themselves."""
    connection.execute("create schema if not exists marts")
    connection.execute("create table if not exists marts.fct_builds (built_at timestamp)")
    connection.execute("insert into marts.fct_builds values (?)", [built_at])
