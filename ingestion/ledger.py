"""The ledger of files: what was loaded, what was refused, and what changed afterwards."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import duckdb

from ingestion.contract import LOADED_FILES
from ingestion.landing import LandingFile
from ingestion.schema import address

Status = Literal["loaded", "rejected", "changed"]

_TABLE: Final = address(LOADED_FILES)


@dataclass(frozen=True)
class Entry:
    """How one file was dealt with last; a null `content_hash` means that it was never read."""

    size_bytes: int
    modified_us: int
    content_hash: str | None
    status: Status
    reason: str | None

    def is_of(self, file: LandingFile) -> bool:
        """Tell whether the file has the size and modification time of this entry."""
        return (self.size_bytes, self.modified_us) == (file.size_bytes, file.modified_us)


@dataclass(frozen=True)
class Outcome:
    """What became of one file in this load."""

    file: LandingFile
    content_hash: str | None
    status: Status
    rows_loaded: int = 0
    rows_rejected: int = 0
    unknown_columns: tuple[str, ...] = ()
    reason: str | None = None


def read(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Entry]:
    """Return the ledger by table and path."""
    rows = connection.execute(
        "select table_name, path, size_bytes, epoch_us(modified_at), content_hash, status, reason "
        f"from {_TABLE}"
    ).fetchall()
    return {(table, path): Entry(*rest) for table, path, *rest in rows}


def record(
    connection: duckdb.DuckDBPyConnection, outcomes: Sequence[Outcome], loaded_at: datetime
) -> None:
    """Write what became of files in place of what the ledger said of them before."""
    if not outcomes:
        return
    forget(connection, [(outcome.file.table, outcome.file.path) for outcome in outcomes])
    columns: Mapping[str, list[object]] = {
        "table_name": [o.file.table for o in outcomes],
        "path": [o.file.path for o in outcomes],
        "size_bytes": [o.file.size_bytes for o in outcomes],
        "modified_us": [o.file.modified_us for o in outcomes],
        "content_hash": [o.content_hash for o in outcomes],
        "status": [o.status for o in outcomes],
        "rows_loaded": [o.rows_loaded for o in outcomes],
        "rows_rejected": [o.rows_rejected for o in outcomes],
        "unknown_columns": [json.dumps(o.unknown_columns) for o in outcomes],
        "reason": [o.reason for o in outcomes],
    }
    unnested = ", ".join(
        f"make_timestamp(unnest(${name})::bigint) as modified_at"
        if name == "modified_us"
        else f"unnest(${name}) as {name}"
        for name in columns
    )
    connection.execute(
        f"insert into {_TABLE} by name select {unnested}, $loaded_at::timestamp as loaded_at",
        {**columns, "loaded_at": loaded_at},
    )


def note_change(
    connection: duckdb.DuckDBPyConnection, file: LandingFile, status: Status, reason: str | None
) -> None:
    """Note what a loaded file looks like now; what was loaded of it stays as it is."""
    connection.execute(
        f"update {_TABLE} set size_bytes = $size, modified_at = make_timestamp($modified), "
        "status = $status, reason = $reason where table_name = $table and path = $path",
        {
            "size": file.size_bytes,
            "modified": file.modified_us,
            "status": status,
            "reason": reason,
            "table": file.table,
            "path": file.path,
        },
    )


def settle(connection: duckdb.DuckDBPyConnection, files: Collection[tuple[str, str]]) -> None:
    """Note that changed files, by table and path, are gone: what was loaded of them stands."""
    if files:
        connection.execute(
            f"update {_TABLE} set status = 'loaded', reason = null where (table_name, path) in "
            "(select (unnest($tables), unnest($paths)))",
            {"tables": [table for table, _ in files], "paths": [path for _, path in files]},
        )


def forget(connection: duckdb.DuckDBPyConnection, files: Collection[tuple[str, str]]) -> None:
    """Remove entries by table and path; files without one are no error."""
    if files:
        connection.execute(
            f"delete from {_TABLE} where (table_name, path) in "
            "(select (unnest($tables), unnest($paths)))",
            {"tables": [table for table, _ in files], "paths": [path for _, path in files]},
        )
