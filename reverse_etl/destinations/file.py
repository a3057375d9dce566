"""A folder of CSV files per delivery: for people, for scripts, and for trying everything out."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from reverse_etl.shipment import (
    DestinationError,
    Kind,
    Report,
    Shipment,
    identifier,
    iso_time,
)

_FILES: dict[str, Kind] = {
    "profiles.csv": "profile",
    "segment_members.csv": "segment_member",
    "suppressions.csv": "suppression",
}
_MANIFEST = "manifest.json"
_FOLDER = r"\d{{8}}T\d{{6}}Z-{destination}-\d{{6,}}-([0-9a-f]{{12}})(-\d{{2,}})?"
# In a manifest while erased people are being taken out of its files, and their number afterwards.
_ERASING, _ERASED = "erasing", "erased_rows"

# What makes a spreadsheet take a cell for a formula, also in full width (OWASP, "CSV Injection").
# Apostrophes before it count as well, so that one taken away restores the text in every case.
_EXECUTABLE = "('=', '+', '-', '@', chr(9), chr(10), chr(13), '＝', '＋', '－', '＠')"
_NEUTRALISATION = (
    "A text that begins with = + - @, a tab, a line break or the full-width form of one of these, "
    "also after apostrophes, has one apostrophe put before it, so that no spreadsheet executes it. "
    "Take that apostrophe away to get the text back."
)


@dataclass(frozen=True)
class FileDestination:
    """Write each delivery as a folder of the outbox.

    A folder is there whole or not at all: it is written under a hidden name, flushed to disk, and
    renamed. Names sort in the order in which a destination's folders are to be applied. A folder
    that is there is somebody else's from then on: it is never written to, whatever they take of it.
    """

    outbox: Path

    def send(self, shipment: Shipment, report: Report) -> Iterator[pa.Table]:
        """Write the folder; everything is delivered with the rename."""
        draft = self._draft(shipment)
        try:
            self.outbox.mkdir(parents=True, exist_ok=True)
            # A warehouse that was built anew makes the plan of the first one again.
            folder = self._whole(shipment)
            if folder is None:
                folder = self._free(shipment)
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir()
                with _synchronous_writes(shipment.connection):
                    _write(shipment, draft, report)
                draft.rename(folder)
                _flush(self.outbox)
            report(f"{shipment.destination}: wrote {folder.name}", len(_FILES), len(_FILES))
        except (OSError, duckdb.IOException) as error:
            raise DestinationError(
                f"nothing was written to {self.outbox}: {error}. Make room or give the folder "
                "another place, and run again"
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        yield shipment.outcome_of_all("delivered")

    def recover(self, shipment: Shipment) -> Iterator[pa.Table]:
        """Take the folder of an interrupted delivery as delivered if it is there and whole."""
        shutil.rmtree(self._draft(shipment), ignore_errors=True)
        if self._whole(shipment) is not None:
            yield shipment.outcome_of_all("delivered")

    def find_deliveries(self, destination: str) -> Mapping[str, str]:
        """Return the folders of a destination that nobody has taken out of the outbox yet."""
        if not self.outbox.is_dir():
            return {}
        name = re.compile(_FOLDER.format(destination=re.escape(destination)))
        found = ((name.fullmatch(folder.name), folder) for folder in sorted(self.outbox.iterdir()))
        return {match[1]: str(folder) for match, folder in found if match}

    def forget(self, profile_ids: Collection[str]) -> None:
        """Take the rows that name erased people out of all folders that are still there.

        What is left keeps its bytes. Only erasure writes to a folder that somebody may be reading:
        each file is replaced as a whole, and the manifest says so before and after. Raise
        `DestinationError` where somebody has changed a file, once all others are done.
        """
        if not self.outbox.is_dir():
            return
        problems = []
        for folder in sorted(self.outbox.iterdir()):
            if re.fullmatch(_FOLDER.format(destination=".+"), folder.name):
                try:
                    _forget(folder, profile_ids)
                except (OSError, duckdb.Error) as error:
                    problems.append((folder, str(error).splitlines()[0]))
        if problems:
            folder, reason = problems[0]
            more = f", as in {len(problems) - 1:,} more folders" if len(problems) > 1 else ""
            raise DestinationError(
                f"people who were erased could not be taken out of {folder}{more} ({reason}). Put "
                "the files there back as they were delivered, or delete the folder, and run again"
            )

    def place(self, shipment: Shipment) -> str:
        """Return the folder's path."""
        *_, last = self._first(shipment), *self._existing(shipment)
        return str(last)

    def _folders(self, shipment: Shipment) -> Iterator[Path]:
        """Yield the names that the folder of a shipment may have, in the order of their use.

        The second and later ones are for a delivery whose run died before it was acknowledged,
        while somebody had begun to take its folder apart. Applied again, it does no harm.
        """
        name = (
            f"{shipment.as_of:%Y%m%dT%H%M%SZ}-{shipment.destination}"
            f"-{shipment.delivery_number:06}-{shipment.plan_id}"
        )
        yield self.outbox / name
        for number in count(2):
            yield self.outbox / f"{name}-{number:02}"

    def _first(self, shipment: Shipment) -> Path:
        return next(self._folders(shipment))

    def _existing(self, shipment: Shipment) -> Iterator[Path]:
        return takewhile(Path.exists, self._folders(shipment))

    def _whole(self, shipment: Shipment) -> Path | None:
        return next((each for each in self._existing(shipment) if _is_whole(each, shipment)), None)

    def _free(self, shipment: Shipment) -> Path:
        return next(each for each in self._folders(shipment) if not each.exists())

    def _draft(self, shipment: Shipment) -> Path:
        return self.outbox / f".{self._first(shipment).name}.tmp"


@contextmanager
def _synchronous_writes(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let the database write files in the thread that asks for it.

    DuckDB 2.0.0 now and then hangs for ever when an asynchronous write fails, as on a full disk
    (duckdb/duckdb#23885). This can go when the test of the full disk passes a hundred times without
    it.
    """
    ((before,),) = connection.execute("select current_setting('async_threads')").fetchall()
    connection.execute("set async_threads = 0")
    try:
        yield
    finally:
        connection.execute(f"set async_threads = {before}")


def _write(shipment: Shipment, draft: Path, report: Report) -> None:
    neutralised = 0
    files: dict[str, dict[str, Any]] = {}
    for number, (name, kind) in enumerate(_FILES.items()):
        report(f"{shipment.destination}: writing {name}", number, len(_FILES))
        path = draft / name
        types = shipment.types(kind)
        del types["change_number"]
        _copy(shipment, kind, types, path)
        _flush(path)
        neutralised += _neutralised(shipment, kind, types)
        files[name] = {
            **_counts(shipment, kind),
            "bytes": path.stat().st_size,
            "sha256": _sha256(path),
        }
    manifest = {
        "destination": shipment.destination,
        "run_id": shipment.run_id,
        "as_of": f"{shipment.as_of.isoformat()}Z",
        "plan_id": shipment.plan_id,
        "delivery_number": shipment.delivery_number,
        "files": files,
        "neutralised_cells": neutralised,
        "neutralisation": _NEUTRALISATION,
    }
    path = draft / _MANIFEST
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _flush(path)
    _flush(draft)


def _copy(shipment: Shipment, kind: Kind, types: dict[str, str], path: Path) -> None:
    cells = ", ".join(
        f"{_cell(column, type_)} as {identifier(column)}" for column, type_ in types.items()
    )
    # Removals first, so that an address that moves to another profile is free when that one comes;
    # and always one order, so that the same plan makes the same bytes.
    order = ["action desc", "profile_id", *(["segment"] if "segment" in types else [])]
    shipment.connection.execute(
        f"""
        copy (
            select {cells}
            from ({shipment.select(kind)}) as changes
            order by {", ".join(f"changes.{column}" for column in order)}
        ) to $path (format csv, header, new_line '\\r\\n')
        """,
        {"path": str(path)},
    )


def _cell(column: str, type_: str) -> str:
    """Write the expression of a cell: ISO times in UTC, lists as JSON, no formulas in texts."""
    name = identifier(column)
    if type_ == "VARCHAR":
        return f"case when {_is_executable(name)} then '''' || {name} else {name} end"
    if type_.startswith("TIMESTAMP"):
        return iso_time(name)
    if type_.endswith("]") or type_.startswith(("STRUCT", "MAP")):
        return f"to_json({name})::varchar"
    return name


def _is_executable(name: str) -> str:
    return f"left(ltrim({name}, ''''), 1) in {_EXECUTABLE}"


def _neutralised(shipment: Shipment, kind: Kind, types: dict[str, str]) -> int:
    texts = [identifier(column) for column, type_ in types.items() if type_ == "VARCHAR"]
    counted = " + ".join(f"count(*) filter (where {_is_executable(name)})" for name in texts)
    ((cells,),) = shipment.connection.execute(
        f"select {counted} from ({shipment.select(kind)})"
    ).fetchall()
    return int(cells)


def _counts(shipment: Shipment, kind: Kind) -> dict[str, Any]:
    """Count the rows, and of these those of each action; for members also by segment."""
    rows = shipment.connection.execute(
        f"""
        select segment, action, count(*)
        from planned_changes
        where kind = '{kind}'
        group by all
        order by all
        """
    ).fetchall()
    return _tally(kind, rows)


def _tally(kind: Kind, rows: Sequence[tuple[str | None, str, int]]) -> dict[str, Any]:
    """Sum up rows of segment, action and count as a manifest has them."""
    actions: dict[str, int] = {}
    segments: dict[str, dict[str, int]] = {}
    for segment, action, changes in rows:
        actions[action] = actions.get(action, 0) + changes
        if segment is not None:
            segments.setdefault(segment, {})[action] = changes
    counts: dict[str, Any] = {"rows": sum(actions.values()), "actions": actions}
    if kind == "segment_member":
        counts["segments"] = segments
    return counts


def _forget(folder: Path, profile_ids: Collection[str]) -> None:
    manifest = _read_manifest(folder)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            "create table erased as select unnest(?) as profile_id", [[*profile_ids]]
        )
        named = {
            name: _count_named(connection, folder / name)
            for name in _FILES
            if (folder / name).exists()
        }
        if not any(named.values()) and _ERASING not in manifest:
            return
        # Somebody may have taken the manifest already; then there is none to keep right.
        if manifest:
            _replace_manifest(folder, {**manifest, _ERASING: True})
        for name, rows in named.items():
            if rows:
                _leave_out(connection, folder / name)
        if manifest:
            counted = {name: _recount(connection, folder / name) for name in named}
            manifest.pop(_ERASING, None)
            manifest["files"] = {**manifest.get("files", {}), **counted}
            manifest["neutralised_cells"] = sum(
                _count_neutralised(connection, folder / name) for name in named
            )
            manifest[_ERASED] = manifest.get(_ERASED, 0) + sum(named.values())
            _replace_manifest(folder, manifest)


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest, empty where somebody has taken it away or broken it."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _replace_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    draft = folder / f".{_MANIFEST}.tmp"
    draft.write_text(text, encoding="utf-8")
    _flush(draft)
    draft.replace(folder / _MANIFEST)
    _flush(folder)


# A cell that is not there is empty, an empty text is quoted: as the files were written.
_READ = (
    "read_csv($path, header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"',"
    " allow_quoted_nulls = false, new_line = '\\r\\n')"
)
# A removal by id alone names nobody.
_NAMED = "profile_id in (select profile_id from erased) and email is not null"


def _count_named(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    ((rows,),) = connection.execute(
        f"select count(*) from {_READ} where {_NAMED}", {"path": str(path)}
    ).fetchall()
    return int(rows)


def _leave_out(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    draft = path.with_name(f".{path.name}.tmp")
    connection.execute(
        f"""
        copy (select * from {_READ} where ({_NAMED}) is not true)
        to $draft (format csv, header, new_line '\r\n')
        """,
        {"path": str(path), "draft": str(draft)},
    )
    _flush(draft)
    draft.replace(path)


def _recount(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, Any]:
    segment = "segment" if _FILES[path.name] == "segment_member" else "null"
    rows = connection.execute(
        f"select {segment}, action, count(*) from {_READ} group by all order by all",
        {"path": str(path)},
    ).fetchall()
    return {
        **_tally(_FILES[path.name], rows),
        "bytes": path.stat().st_size,
        "sha256": _sha256(path),
    }


def _count_neutralised(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    ((cells,),) = connection.execute(
        f"""
        select count(*) filter (where starts_with(cell, chr(39)) and {_is_executable("cell")})
        from (select unnest([*columns(*)]) as cell from {_READ})
        """,
        {"path": str(path)},
    ).fetchall()
    return int(cells)


def _is_whole(folder: Path, shipment: Shipment) -> bool:
    """Tell whether a folder holds this very delivery, to the last byte."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        named = (manifest["destination"], manifest["plan_id"], manifest["delivery_number"])
        return named == (
            shipment.destination,
            shipment.plan_id,
            shipment.delivery_number,
        ) and all(_sha256(folder / name) == manifest["files"][name]["sha256"] for name in _FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Wait until a file or the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
