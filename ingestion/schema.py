"""The `raw` schema of a warehouse: made when it is new, brought up when it is older."""

import duckdb

from ingestion.contract import (
    ERASURE_CHECKS,
    ERASURES,
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
    has another type, what files were loaded into has been dropped, or a newer version of this
    program made the warehouse.
    """
    connection.begin()
    try:
        connection.execute(f"create schema if not exists {quote(SCHEMA)}")
        version = _read_version(connection)
        _refuse_newer(version)
        _refuse_losses(connection, version)
        for table in TABLES.values():
            _bring_up(connection, table, (*table.columns, *ROW_ORIGIN))
        for table in (LOADED_FILES, REJECTED_ROWS, ERASURES, ERASURE_CHECKS, _VERSION_TABLE):
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


def _read_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return the version that the warehouse was prepared for last; None if it never was."""
    if not _read_columns(connection, _VERSION_TABLE):
        return None
    row = connection.execute(f"select max(version) from {qualify(_VERSION_TABLE)}").fetchone()
    version: int | None = row[0] if row else None
    return version


def _refuse_newer(version: int | None) -> None:
    if version is not None and version > SCHEMA_VERSION:
        raise SchemaMismatch(
            f"the warehouse has version {version} of the raw schema and this program knows "
            f"{SCHEMA_VERSION}; upgrade mailmart or name another file with --warehouse"
        )


def _refuse_losses(connection: duckdb.DuckDBPyConnection, version: int | None) -> None:
    """Raise where a table or column that files were loaded into is no longer there.

    Made anew it would stay empty, because the files count as loaded: a consent without its end
    never ends, and a refusal that is forgotten is no refusal.
    """
    version = version or SCHEMA_VERSION
    if not _read_columns(connection, LOADED_FILES):
        for table in TABLES.values():
            if _holds_rows_of_files(connection, table):
                raise _tell_loss(
                    f"{SCHEMA}.{LOADED_FILES.name} is gone, though rows of files are in "
                    f"{SCHEMA}.{table.name}, which would be loaded again"
                )
        return
    if _holds_rows(connection, LOADED_FILES):
        _refuse_loss(connection, LOADED_FILES, LOADED_FILES.columns, version)
    for name, rows_loaded, rows_rejected in connection.execute(
        "select table_name, sum(rows_loaded), sum(rows_rejected) "
        f"from {qualify(LOADED_FILES)} group by table_name order by table_name"
    ).fetchall():
        if rows_loaded and name in TABLES:
            columns = (*TABLES[name].columns, *ROW_ORIGIN)
            _refuse_loss(connection, TABLES[name], columns, version)
        if rows_rejected:
            _refuse_loss(connection, REJECTED_ROWS, REJECTED_ROWS.columns, version)


def _refuse_loss(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: tuple[Column, ...], version: int
) -> None:
    present = _read_columns(connection, table)
    if not present:
        raise _tell_loss(f"{SCHEMA}.{table.name} is gone, though files were loaded into it")
    lost = [c.name for c in columns if c.since <= version and c.name.lower() not in present]
    if lost:
        raise _tell_loss(
            f"{SCHEMA}.{table.name} has lost the column {lost[0]}, though files were loaded into it"
        )


def _tell_loss(what: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"{what}; restore the warehouse from a backup, or name a new file with --warehouse and "
        "load the landing folder into it"
    )


def _holds_rows(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    return bool(connection.execute(f"select 1 from {qualify(table)} limit 1").fetchone())


def _holds_rows_of_files(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Tell whether our loader has filled a table; another one gives its rows no file."""
    if "_file" not in _read_columns(connection, table):
        return False
    query = f"select 1 from {qualify(table)} where _file is not null limit 1"
    return bool(connection.execute(query).fetchone())


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
