"""The `raw` schema of a warehouse: made when it is new, brought up when it is older."""

import duckdb

from ingestion.contract import (
    LOADED_FILES,
    REJECTED_ROWS,
    ROW_ORIGIN,
    SCHEMA,
    SCHEMA_VERSION,
    TABLES,
    Column,
    Table,
)
from ingestion.values import quote, quote_text

_VERSION_TABLE = Table(
    "schema_version",
    "The version of the raw contract that this warehouse was last prepared for.",
    (Column("version", "integer", is_required=True),),
)


class SchemaMismatch(Exception):
    """A warehouse whose raw schema cannot be brought up to the contract."""


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make schema `raw` with all its tables, or bring an older one up to this contract.

    Missing tables and columns are added, columns the contract does not know are left alone.
    All of it happens or none. Raises `SchemaMismatch` where a relation is no table, a column
    has another type, or a newer version of this program made the warehouse.
    """
    connection.begin()
    try:
        connection.execute(f"create schema if not exists {quote(SCHEMA)}")
        _refuse_newer(connection)
        for table in TABLES.values():
            _bring_up(connection, table, (*table.columns, *ROW_ORIGIN))
        for table in (LOADED_FILES, REJECTED_ROWS, _VERSION_TABLE):
            _bring_up(connection, table, table.columns)
        connection.execute(f"delete from {qualify(_VERSION_TABLE)}")
        connection.execute(f"insert into {qualify(_VERSION_TABLE)} values ($1)", [SCHEMA_VERSION])
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def qualify(table: Table) -> str:
    """Return the qualified and quoted name of a table of schema `raw`."""
    return f"{quote(SCHEMA)}.{quote(table.name)}"


def _refuse_newer(connection: duckdb.DuckDBPyConnection) -> None:
    if not _read_columns(connection, _VERSION_TABLE):
        return
    row = connection.execute(f"select max(version) from {qualify(_VERSION_TABLE)}").fetchone()
    version = row[0] if row else None
    if version is not None and version > SCHEMA_VERSION:
        raise SchemaMismatch(
            f"the warehouse has version {version} of the raw schema and this program knows "
            f"{SCHEMA_VERSION}; upgrade mailmart or name another file with --warehouse"
        )


def _bring_up(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: tuple[Column, ...]
) -> None:
    present = _read_columns(connection, table)
    if not present:
        definitions = ", ".join(f"{quote(c.name)} {c.sql_type}" for c in columns)
        connection.execute(f"create table {qualify(table)} ({definitions})")
        _comment(connection, table)
        return
    _refuse_view(connection, table)
    for column in columns:
        there = present.pop(column.name.lower(), None)
        if there is None:
            connection.execute(
                f"alter table {qualify(table)} add column {quote(column.name)} {column.sql_type}"
            )
        elif there[0] != column.sql_type:
            raise SchemaMismatch(
                f"{SCHEMA}.{table.name}.{column.name} is {there[0]} and should be "
                f"{column.sql_type}; convert it (alter table … alter column … type …) or name "
                "a new file with --warehouse and load the landing folder into it"
            )
    for name, (_, must_be_filled) in present.items():
        if must_be_filled:
            raise SchemaMismatch(
                f"{SCHEMA}.{table.name} has a column {name} that may not be null and that the "
                "contract does not know; drop its not null constraint or the column"
            )


def _read_columns(
    connection: duckdb.DuckDBPyConnection, table: Table
) -> dict[str, tuple[str, bool]]:
    """Return type and must-be-filled by lower-case column name; none if there is no table."""
    rows = connection.execute(
        "select lower(column_name), data_type, not is_nullable and column_default is null "
        "from duckdb_columns() where database_name = current_database() "
        "and schema_name = $1 and lower(table_name) = $2 order by column_index",
        [SCHEMA, table.name],
    ).fetchall()
    return {name: (data_type, must_be_filled) for name, data_type, must_be_filled in rows}


def _refuse_view(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    is_view = connection.execute(
        "select 1 from duckdb_views() where database_name = current_database() "
        "and schema_name = $1 and lower(view_name) = $2",
        [SCHEMA, table.name],
    ).fetchone()
    if is_view:
        raise SchemaMismatch(
            f"{SCHEMA}.{table.name} is a view and files cannot be loaded into it; drop it or "
            "name another file with --warehouse"
        )


def _comment(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    connection.execute(f"comment on table {qualify(table)} is {quote_text(table.description)}")
