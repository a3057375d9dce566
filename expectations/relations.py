"""Relations of a warehouse that may not be built yet, and what is asked of those that are."""

from collections.abc import Mapping
from typing import Any

import duckdb


def is_there(connection: duckdb.DuckDBPyConnection, address: str) -> bool:
    """Tell whether a relation, given as schema and name with a dot between, exists."""
    schema, name = address.split(".")
    found = connection.execute(
        """
        select 1
        from information_schema.tables
        where table_catalog = current_database() and table_schema = $schema and table_name = $name
        """,
        {"schema": schema, "name": name},
    ).fetchone()
    return found is not None


def ask(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Mapping[str, object] | None = None,
) -> tuple[Any, ...]:
    """Return the one row of a query that aggregates over everything."""
    (row,) = connection.execute(query, parameters or {}).fetchall()
    return tuple(row)
