"""Whether the tables that mailmart keeps for good have the columns that this version writes."""

from __future__ import annotations

from pathlib import Path

import duckdb

from expectations import verdicts
from ml import scores
from orchestration.database import WarehouseError
from reverse_etl import ledger

_COLUMNS = """
    select table_schema, table_name, column_name, data_type
    from information_schema.columns
    where table_catalog = current_catalog()
    order by table_schema, table_name, ordinal_position
"""


def check_raw(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Refuse a file in which no run has loaded anything; raises `WarehouseError`."""
    has_raw = connection.execute(
        "select 1 from information_schema.schemata"
        " where catalog_name = current_catalog() and schema_name = 'raw'"
    ).fetchone()
    if not has_raw:
        raise WarehouseError(
            f"{file} is no warehouse: it has no raw tables, like the file that is published for "
            "readers; name the warehouse with --warehouse"
        )


def check_columns(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a warehouse whose ledger, scores or verdicts an older version made with less columns.

    Raises `WarehouseError` with the statements that add them. Tables that are missing are no fault:
    they are made when they are needed.
    """
    with duckdb.connect() as empty:
        for make in (ledger.prepare, scores.prepare, verdicts.prepare):
            make(empty)
        wanted = empty.execute(_COLUMNS).fetchall()
    found: dict[tuple[str, str], set[str]] = {}
    for schema, table, column, _ in connection.execute(_COLUMNS).fetchall():
        found.setdefault((schema, table), set()).add(column)
    missing = [
        (f"{schema}.{table}", column, type_)
        for schema, table, column, type_ in wanted
        if (schema, table) in found and column not in found[schema, table]
    ]
    if missing:
        told = ", ".join(f"{table}.{column}" for table, column, _ in missing)
        statements = "; ".join(
            f'alter table {table} add column "{column}" {type_.lower()}'
            for table, column, type_ in missing
        )
        raise WarehouseError(
            f"an older mailmart made tables of this warehouse without {told}; add what is missing "
            f"in DuckDB ({statements}), or name a new warehouse with --warehouse"
        )
