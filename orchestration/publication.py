"""What readers see: files beside the warehouse, each of them whole, whatever a run is doing.

DuckDB lets one process write and locks all others out, so nobody reads the warehouse itself. After
a build the public tables are written to `<warehouse>.public.duckdb`, which takes the place of the
one before at once. The large ones are in it as views over Parquet files, one a month, which are
named after their content: a month that did not change keeps its file, and no file is ever written
to. What an earlier publication refers to stays for a while, for those who have it open.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from ingestion.values import quote, quote_text
from orchestration.builds import NothingBuilt, find_built_as_of
from orchestration.database import flush, open_warehouse

# The tables that grow with the events, each with the time that tells the month of a row.
BY_MONTH: Mapping[tuple[str, str], str] = {
    ("marts", "fct_email_events"): "occurred_at",
    ("marts", "fct_web_events"): "occurred_at",
    ("marts", "ftr_open_propensity"): "sent_at",
}
_SCHEMAS = ("marts", "ml", "sync")
_RECORD = "publication.json"
# Under a name that no warehouse has: DuckDB calls one after its file.
_DRAFT = quote("the next publication")
# How long a file stays that only earlier publications refer to: longer than anybody reads.
KEEPS = timedelta(days=1)


@dataclass(frozen=True)
class Publication:
    """What was published, and how much of it had to be written anew."""

    file: Path
    tables: int
    months: int
    months_written: int


def name_publication(warehouse: Path) -> Path:
    """Return the file that readers open, `<stem>.public.duckdb` beside the warehouse."""
    return warehouse.with_name(f"{warehouse.stem}.public.duckdb")


def publish(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Path,
    *,
    as_of: datetime,
    at: datetime,
    keeps: timedelta = KEEPS,
) -> Publication:
    """Publish the public tables of a finished build, of which `as_of` is; times are naive UTC.

    A kill at any instant leaves the publication before, whole. Raises what DuckDB or the disk says.
    """
    file = name_publication(warehouse)
    folder = file.with_suffix("")
    folder.mkdir(exist_ok=True)
    draft = _name_draft(file)
    draft.unlink(missing_ok=True)
    connection.execute(f"attach {quote_text(str(draft))} as {_DRAFT}")
    try:
        tables = _list_tables(connection)
        used: list[Path] = []
        written = 0
        for schema, table in tables:
            connection.execute(f"create schema if not exists {_DRAFT}.{quote(schema)}")
            source = f"{quote(schema)}.{quote(table)}"
            column = BY_MONTH.get((schema, table))
            if column is None:
                connection.execute(f"create table {_DRAFT}.{source} as from {source}")
                continue
            months = list(_write_months(connection, source, column, folder / f"{schema}.{table}"))
            written += sum(is_new for _, is_new in months)
            used += [path for path, _ in months]
            _define(connection, source, [path for path, _ in months])
        connection.execute(
            f"create table {_DRAFT}.main.publication as"
            " select $as_of::timestamp as as_of, $at::timestamp as published_at",
            {"as_of": as_of, "at": at},
        )
    finally:
        connection.execute(f"detach {_DRAFT}")
    flush(draft)
    draft.replace(file)
    flush(file.parent)
    _clean(folder, used, at, keeps)
    return Publication(file, len(tables), len(used), written)


def publish_without_erased(warehouse: Path, at: datetime) -> None:
    """Let no publication name people who were erased, also where no run came to one of its own.

    The tables of the build before have lost them too; those of two moments are nobody's to read.
    The time is that of the run, naive UTC. Raises what DuckDB or the disk says.
    """
    file = name_publication(warehouse)
    _name_draft(file).unlink(missing_ok=True)
    if not file.exists() or published_at(warehouse) == at:
        return
    with open_warehouse(warehouse) as connection:
        try:
            as_of = find_built_as_of(connection)
        except NothingBuilt:
            file.unlink()
            shutil.rmtree(file.with_suffix(""))
            return
        publish(connection, warehouse, as_of=as_of, at=at, keeps=timedelta(0))


def published_at(warehouse: Path) -> datetime | None:
    """Return the `at` of the newest publication, None where there is none."""
    at = _read_record(name_publication(warehouse).with_suffix("")).get("published_at")
    return None if at is None else datetime.fromisoformat(at)


def _name_draft(file: Path) -> Path:
    return file.with_name(f".{file.name}.draft")


def _read_record(folder: Path) -> dict[str, Any]:
    """Return since when what is superseded, empty where that is lost: then all of it is new."""
    try:
        record: dict[str, Any] = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        datetime.fromisoformat(record["published_at"])
        for since in record["superseded"].values():
            datetime.fromisoformat(since)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return record


def _list_tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return connection.execute(
        """
        select table_schema, table_name from information_schema.tables
        where table_catalog = current_catalog() and list_contains($schemas, table_schema)
        order by all
        """,
        {"schemas": list(_SCHEMAS)},
    ).fetchall()


def _write_months(
    connection: duckdb.DuckDBPyConnection, source: str, column: str, folder: Path
) -> Iterator[tuple[Path, bool]]:
    """Yield the file of each month of a table, and whether it had to be written.

    A file is named after the month, its rows and a sum of their hashes, whatever their order is.
    """
    folder.mkdir(exist_ok=True)
    months = connection.execute(
        f"""
        select date_trunc('month', {quote(column)})::timestamp as month, count(*),
            bit_xor(hash(rows))
        from {source} as rows group by month order by month
        """
    ).fetchall()
    for month, rows, content in months:
        path = folder / f"{month:%Y-%m}-{rows}-{content:016x}.parquet"
        if path.exists():
            yield path, False
            continue
        draft = path.with_name(f".{path.name}.draft")
        connection.execute(
            f"""
            copy (
                from {source}
                where
                    {quote(column)} >= $month
                    and {quote(column)} < $month + interval 1 month
            ) to $path (format parquet, compression zstd)
            """,
            {"month": month, "path": str(draft)},
        )
        flush(draft)
        draft.replace(path)
        yield path, True
    flush(folder)


def _define(connection: duckdb.DuckDBPyConnection, source: str, paths: Sequence[Path]) -> None:
    if not paths:
        connection.execute(f"create table {_DRAFT}.{source} as from {source} limit 0")
        return
    files = ", ".join(quote_text(str(path)) for path in paths)
    connection.execute(f"create view {_DRAFT}.{source} as from read_parquet([{files}])")


def _clean(folder: Path, used: Collection[Path], at: datetime, keeps: timedelta) -> None:
    """Remove what no reader can need any more, and what a killed run left half-written.

    Since when a file is in no publication is written down here, after the one that left it out.
    """
    known = _read_record(folder).get("superseded", {})
    superseded = {}
    for path in sorted({*folder.rglob("*.parquet")} - {*used}):
        name = str(path.relative_to(folder))
        since = datetime.fromisoformat(known.get(name, at.isoformat()))
        if since <= at - keeps:
            path.unlink()
        else:
            superseded[name] = since.isoformat()
    content = {"published_at": at.isoformat(), "superseded": superseded}
    draft = folder / f".{_RECORD}.draft"
    draft.write_text(json.dumps(content, indent=2), encoding="utf-8")
    draft.replace(folder / _RECORD)
    for draft in folder.rglob(".*.draft"):
        draft.unlink()
