"""The ledger of files: what was loaded, what was refused, and what changed afterwards."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import duckdb

from ingestion.contract import LOADED_FILES
from ingestion.landing import LandingFile
from ingestion.schema import qualify

Status = Literal["loaded", "rejected", "changed", "unread"]

_TABLE: Final = qualify(LOADED_FILES)


@dataclass(frozen=True)
class Entry:
    """How one file was dealt with last; a null `content_hash` means that it was never read."""

    size_bytes: int
    modified_us: int
    content_hash: str | None
    status: Status
    reason: str | None
    is_gone: bool

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


@dataclass(frozen=True)
class Change:
    """What a file that was loaded is now: as it was then (`loaded`), or another (`changed`)."""

    file: LandingFile
    status: Status
    reason: str | None


def read(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Entry]:
    """Return the ledger by table and path."""
    rows = connection.execute(
        "select table_name, path, size_bytes, epoch_us(modified_at), content_hash, status, reason, "
        f"gone_at is not null from {_TABLE}"
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


def note_changes(connection: duckdb.DuckDBPyConnection, changes: Sequence[Change]) -> None:
    """Note what loaded files look like now; what was loaded of them stays as it is."""
    if changes:
        connection.execute(
            f"update {_TABLE} as entries set size_bytes = changes.size_bytes, "
            "modified_at = make_timestamp(changes.modified_us), status = changes.status, "
            "reason = changes.reason from (select unnest($tables) as table_name, "
            "unnest($paths) as path, unnest($sizes::bigint[]) as size_bytes, "
            "unnest($modified::bigint[]) as modified_us, unnest($statuses) as status, "
            "unnest($reasons::varchar[]) as reason) as changes "
            "where entries.table_name = changes.table_name and entries.path = changes.path",
            {
                "tables": [change.file.table for change in changes],
                "paths": [change.file.path for change in changes],
                "sizes": [change.file.size_bytes for change in changes],
                "modified": [change.file.modified_us for change in changes],
                "statuses": [change.status for change in changes],
                "reasons": [change.reason for change in changes],
            },
        )


def note_presence(
    connection: duckdb.DuckDBPyConnection,
    files: Collection[tuple[str, str]],
    gone_at: datetime | None,
) -> None:
    """Note since when files, by table and path, are gone; None: they are there again.

    All else that is known of them stays: a refusal that was in a file is none the less one.
    """
    if files:
        connection.execute(
            f"update {_TABLE} set gone_at = $gone_at::timestamp where (table_name, path) in "
            "(select (unnest($tables), unnest($paths)))",
            {
                "gone_at": gone_at,
                "tables": [table for table, _ in files],
                "paths": [path for _, path in files],
            },
        )


def forget_renamed(connection: duckdb.DuckDBPyConnection) -> None:
    """Remove refused files that are gone and whose very bytes were loaded under another name."""
    connection.execute(
        f"delete from {_TABLE} where status in ('rejected', 'unread') and gone_at is not null "
        f"and (table_name, content_hash) in (select (table_name, content_hash) from {_TABLE} "
        "where status = 'loaded' and content_hash is not null)"
    )


def forget(connection: duckdb.DuckDBPyConnection, files: Collection[tuple[str, str]]) -> None:
    """Remove entries by table and path; files without one are no error."""
    if files:
        connection.execute(
            f"delete from {_TABLE} where (table_name, path) in "
            "(select (unnest($tables), unnest($paths)))",
            {"tables": [table for table, _ in files], "paths": [path for _, path in files]},
        )
