"""Tables of a warehouse that may not be built yet, and the few rows of an aggregate."""

from collections.abc import Mapping
from typing import Any

import duckdb


def are_there(connection: duckdb.DuckDBPyConnection, *addresses: str) -> bool:
    """Tell whether all relations, each given as schema and name with a dot between, exist."""
    found = connection.execute(
        """
        select count(*)
        from information_schema.tables
        where
            table_catalog = current_database()
            and list_contains($addresses, table_schema || '.' || table_name)
        """,
        {"addresses": list(addresses)},
    ).fetchone()
    return found == (len(addresses),)


def ask(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Mapping[str, object] | None = None,
) -> list[tuple[Any, ...]]:
    """Return the rows of a query that leaves few."""
    return connection.execute(query, parameters or {}).fetchall()
