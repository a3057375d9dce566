"""What readers see: files beside the warehouse, each of them whole, whatever a run is doing.

DuckDB lets one process write and locks all others out, so nobody reads the warehouse itself. After
a build the public tables are written to `<warehouse>.public.duckdb`, which takes the place of the
one before at once. The large ones are in it as views over Parquet files, one a month and of late
one a day, which are named after their content: what did not change keeps its file, and no file is
ever written to. What an earlier publication refers to stays for a while, for those who have it
open.

Builds and scoring note which rows they change (`dbt_project/macros/changes.sql`). Only files whose
days are among them are looked at; of the others it is on record in the warehouse which they were.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from ingestion.values import quote, quote_text
from orchestration.builds import NothingBuilt, find_built_as_of
from orchestration.database import flush, open_warehouse


@dataclass(frozen=True)
class Fact:
    """A table that grows with the events, and when rows of it change.

    `time` is the column that tells the file of a row. `changes` are the models in which a row that
    changes is noted, each with how long before the noted instant a row of this table may lie that
    changes with it; None where nothing is noted, and all rows are looked at. What is longer ago
    than `settles`, at the `as_of`, no longer changes by time.
    """

    time: str
    changes: Mapping[str, timedelta] | None = None
    settles: timedelta | None = None


# The history of scores grows by everybody with each run.
SCORES = "ml.scores"
# How long after a mail an open of it counts, see ftr_open_propensity.
_OPENS_COUNT_FOR = timedelta(hours=72)

FACTS: Mapping[tuple[str, str], Fact] = {
    ("marts", "fct_email_events"): Fact(
        "occurred_at",
        {
            "int_email_events__classified": timedelta(0),
            "int_email_events__deduplicated": timedelta(0),
        },
    ),
    ("marts", "fct_orders"): Fact("ordered_at"),
    ("marts", "fct_web_events"): Fact("occurred_at", {"int_web_events__resolved": timedelta(0)}),
    ("marts", "ftr_churn"): Fact("cutoff_at"),
    ("marts", "ftr_open_propensity"): Fact(
        "sent_at",
        {
            "int_messages__counted": timedelta(0),
            "int_messages__sent": timedelta(0),
            "int_email_events__classified": _OPENS_COUNT_FOR,
        },
        settles=_OPENS_COUNT_FOR,
    ),
    ("ml", "scores"): Fact("scored_at", {SCORES: timedelta(0)}),
}
_SCHEMAS = ("marts", "ml", "sync")
_RECORD = "publication.json"
# Under a name that no warehouse has: DuckDB calls one after its file.
_DRAFT = quote("the next publication")
# How long a file stays that only earlier publications refer to: longer than anybody reads.
KEEPS = timedelta(days=1)
# How long after its end a month is still in files of days: what is reported late, or settles by
# time, then seldom lets a whole month be written anew.
_MONTH_ENDS_AFTER = timedelta(days=4)
_CHANGES = "intermediate.changed_rows"
_FILES = "intermediate.published_files"


@dataclass(frozen=True)
class Publication:
    """What was published, and how many files of the large tables were looked at and written."""

    file: Path
    tables: int
    files: int
    files_compared: int
    files_written: int


@dataclass(frozen=True, order=True)
class _Piece:
    """The days of a table that are in one file: a month or a single one, by its first day."""

    first: date
    is_month: bool

    @property
    def name(self) -> str:
        return f"{self.first:%Y-%m}" if self.is_month else f"{self.first:%Y-%m-%d}"

    @classmethod
    def of(cls, day: date, months_until: date) -> _Piece:
        return cls(day.replace(day=1), True) if day < months_until else cls(day, False)


@dataclass
class _Written:
    """The files of a table, and what it took to know them."""

    paths: dict[_Piece, Path] = field(default_factory=dict)
    compared: int = 0
    written: int = 0


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
        facts: dict[str, _Written] = {}
        for schema, table in tables:
            connection.execute(f"create schema if not exists {_DRAFT}.{quote(schema)}")
            source = f"{quote(schema)}.{quote(table)}"
            fact = FACTS.get((schema, table))
            if fact is None:
                connection.execute(f"create table {_DRAFT}.{source} as from {source}")
                continue
            name = f"{schema}.{table}"
            facts[name] = _write(connection, source, fact, folder / name, as_of)
            _define(connection, source, facts[name].paths.values())
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
    _remember(connection, facts, as_of)
    used = [path for fact in facts.values() for path in fact.paths.values()]
    _clean(folder, used, at, keeps)
    return Publication(
        file,
        tables=len(tables),
        files=len(used),
        files_compared=sum(fact.compared for fact in facts.values()),
        files_written=sum(fact.written for fact in facts.values()),
    )


def note_change(connection: duckdb.DuckDBPyConnection, name: str, instant: datetime) -> None:
    """Note that rows of an instant have changed, as dbt does of the models that it builds.

    Commits nothing. Where nobody notes anything, the next publication looks at all rows.
    """
    if _has_table(connection, _CHANGES):
        connection.execute(
            f"insert into {_CHANGES} (model, happened_at) values (?, ?)", [name, instant]
        )


def forget_files(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the next publication look at all rows: some have gone that no build has noted.

    Commits nothing.
    """
    if _has_table(connection, _FILES):
        connection.execute(f"delete from {_FILES}")


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


def _write(
    connection: duckdb.DuckDBPyConnection, source: str, fact: Fact, folder: Path, as_of: datetime
) -> _Written:
    """Return the files of a table, and write those that are not there.

    A file is named after its days, its rows and a sum of their hashes, whatever their order is.
    """
    folder.mkdir(exist_ok=True)
    months_until = (as_of - _MONTH_ENDS_AFTER).date().replace(day=1)
    known = _read_files(connection, folder)
    # A month that has ended is no longer in files of days.
    stale = {
        _Piece.of(piece.first, months_until)
        for piece, path in known.items()
        if piece != _Piece.of(piece.first, months_until) or not path.exists()
    }
    is_known = known and all(p.first < months_until for p in known if p.is_month)
    days = _find_changed_days(connection, fact, folder.name, as_of) if is_known else None
    found = _Written()
    if days is None:
        asked = None
    else:
        asked = stale | {_Piece.of(day, months_until) for day in days}
        found.paths = {
            piece: path
            for piece, path in known.items()
            if _Piece.of(piece.first, months_until) not in asked
        }
    for piece, rows, content in _compare(connection, source, fact, months_until, asked):
        found.compared += 1
        path = folder / f"{piece.name}-{rows}-{content:016x}.parquet"
        found.paths[piece] = path
        if path.exists():
            continue
        found.written += 1
        draft = path.with_name(f".{path.name}.draft")
        connection.execute(
            f"copy (from {source} where {_is_in(fact, piece)}) to $path"
            " (format parquet, compression zstd)",
            {"path": str(draft)},
        )
        flush(draft)
        draft.replace(path)
    if found.written:
        flush(folder)
    found.paths = dict(sorted(found.paths.items()))
    return found


def _compare(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    fact: Fact,
    months_until: date,
    asked: Collection[_Piece] | None,
) -> list[tuple[_Piece, int, int]]:
    """Return rows and content of the pieces of a table, or of those that are asked for."""
    if asked is not None and not asked:
        return []
    is_asked = "true" if asked is None else " or ".join(_is_in(fact, p) for p in sorted(asked))
    time = quote(fact.time)
    pieces = connection.execute(
        f"""
        select
            (case
                when {time} < $months_until then date_trunc('month', {time})
                else date_trunc('day', {time})
            end)::date as first,
            count(*),
            bit_xor(hash(rows))
        from {source} as rows
        where {is_asked}
        group by first
        order by first
        """,
        {"months_until": months_until},
    ).fetchall()
    return [(_Piece(first, first < months_until), rows, content) for first, rows, content in pieces]


def _is_in(fact: Fact, piece: _Piece) -> str:
    length = "1 month" if piece.is_month else "1 day"
    first = f"timestamp '{piece.first}'"
    time = quote(fact.time)
    return f"({time} >= {first} and {time} < {first} + interval {length})"


def _find_changed_days(
    connection: duckdb.DuckDBPyConnection, fact: Fact, name: str, as_of: datetime
) -> set[date] | None:
    """Return the days of which rows may have changed since what is on record, None for any."""
    if fact.changes is None or not _has_table(connection, _CHANGES):
        return None
    days: set[date] = set()
    for model, reach in fact.changes.items():
        for (day,) in connection.execute(
            f"select distinct happened_at::date from {_CHANGES} where model = $model",
            {"model": model},
        ).fetchall():
            if day is None:
                return None
            days |= _list_days(datetime.combine(day, datetime.min.time()) - reach, day)
    if fact.settles is not None:
        ((published,),) = connection.execute(
            f"select min(as_of) from {_FILES} where table_name = $name", {"name": name}
        ).fetchall()
        earlier, later = sorted((published, as_of))
        days |= _list_days(earlier - fact.settles, (later - fact.settles).date())
    return days


def _list_days(since: datetime, until: date) -> set[date]:
    first = since.date()
    return {first + timedelta(days=n) for n in range((until - first).days + 1)}


def _read_files(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[_Piece, Path]:
    """Return which files held a table when it was last published."""
    if not _has_table(connection, _FILES):
        return {}
    return {
        _Piece(first, is_month): folder / file
        for first, is_month, file in connection.execute(
            f"select first_day, is_month, file from {_FILES} where table_name = $name",
            {"name": folder.name},
        ).fetchall()
    }


def _remember(
    connection: duckdb.DuckDBPyConnection, facts: Mapping[str, _Written], as_of: datetime
) -> None:
    """Put on record which files the tables are in as they are now, and forget the changes."""
    connection.execute("create schema if not exists intermediate")
    connection.begin()
    try:
        connection.execute(
            f"create table if not exists {_FILES} (table_name varchar, first_day date,"
            " is_month boolean, file varchar, as_of timestamp)"
        )
        connection.execute(f"delete from {_FILES}")
        rows = [
            (name, piece.first, piece.is_month, path.name, as_of)
            for name, fact in facts.items()
            for piece, path in fact.paths.items()
        ]
        if rows:
            places = ", ".join(["(?, ?, ?, ?, ?)"] * len(rows))
            connection.execute(
                f"insert into {_FILES} values {places}", [value for row in rows for value in row]
            )
        if _has_table(connection, _CHANGES):
            connection.execute(f"delete from {_CHANGES}")
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _has_table(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    schema, table = name.split(".")
    return bool(
        connection.execute(
            "select 1 from duckdb_tables() where database_name = current_database()"
            " and schema_name = $schema and table_name = $table",
            {"schema": schema, "table": table},
        ).fetchall()
    )


def _define(connection: duckdb.DuckDBPyConnection, source: str, paths: Collection[Path]) -> None:
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
