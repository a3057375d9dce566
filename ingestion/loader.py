"""Files of a landing folder become rows of the raw tables, each file exactly once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from ingestion import columnar, delimited, json_lines, ledger, lines
from ingestion.contract import REJECTED_ROWS, ROW_ORIGIN, TABLES, Table
from ingestion.landing import Fingerprint, LandingFile, Listing, fingerprint, list_files
from ingestion.ledger import Change, Outcome, Status
from ingestion.schema import prepare, qualify
from ingestion.staging import (
    STAGED,
    UNKNOWN_COLUMNS_NAMED,
    NeedsMending,
    Refusal,
    Source,
    fold_name,
    stage,
)
from ingestion.values import quote

__all__ = [
    "FileProblem",
    "LoadReport",
    "LoadStopped",
    "Progress",
    "TableLoad",
    "UnknownColumn",
    "load",
]

# One transaction holds at most so much: small files share the cost of one, and what a kill
# undoes stays small. Packed bytes count as often as they unpack in the worst usual case.
_BATCH_FILES: Final = 500
_BATCH_BYTES: Final = 256 << 20
_UNPACKED_PER_PACKED_BYTE: Final = 8

_CHANGED: Final = (
    "its content has changed since it was loaded; put the old content back and bring what is new "
    "as a new file"
)

# Errors that are no file's doing, however odd the file.
_FAULTS: Final = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.InterruptException,
    duckdb.ParserException,
    duckdb.SyntaxException,
)


class LoadStopped(Exception):
    """The machine gave out under a load; what was committed before it stays."""


@dataclass(frozen=True)
class FileProblem:
    """A file that is not loaded, or not as it is now; the message says so with its path."""

    table: str
    path: str
    status: Status
    message: str


@dataclass(frozen=True)
class TableLoad:
    """What one load did to one raw table."""

    files_loaded: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0


@dataclass(frozen=True)
class UnknownColumn:
    """A column that the contract does not know, left out of a table, and in how many files."""

    table: str
    column: str
    files: int

    @property
    def message(self) -> str:
        """Say so in a sentence."""
        files = "1 file" if self.files == 1 else f"{self.files} files"
        return (
            f"{self.table}: the contract does not know the column {self.column}, "
            f"which is left out ({files})"
        )


@dataclass(frozen=True)
class LoadReport:
    """What one load did. Any problem makes the run an error, warnings do not."""

    tables: Mapping[str, TableLoad]
    missing_folders: tuple[str, ...]
    unknown_columns: tuple[UnknownColumn, ...]
    problems: tuple[FileProblem, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Progress:
    """How far a load has come; the table is that of the files dealt with last."""

    table: str
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int


def load(
    connection: duckdb.DuckDBPyConnection,
    landing: Path,
    loaded_at: datetime,
    report_progress: Callable[[Progress], None] | None = None,
) -> LoadReport:
    """Load what is new in a landing folder into the raw tables.

    Prepares schema `raw` first. `loaded_at` is a time in UTC, with its zone or without one.
    A file's rows, its rejected rows and its line in the ledger are committed together. Files
    that cannot be loaded are in the report and stop nothing. Raises `NotADirectoryError` for a
    missing folder, `SchemaMismatch` for a foreign warehouse and `LoadStopped` when disk or
    memory give out.
    """
    if loaded_at.tzinfo is not None:
        loaded_at = loaded_at.astimezone(UTC).replace(tzinfo=None)
    listing = list_files(landing)
    prepare(connection)
    with (
        # Row numbers are counted by it.
        _order_of_rows(connection, is_kept=True),
        ThreadPoolExecutor(max_workers=2, thread_name_prefix="fingerprint") as hashing,
        TemporaryDirectory(prefix="mailmart-") as workshop,
    ):
        run = _Load(connection, loaded_at, hashing, Path(workshop), report_progress)
        try:
            run.load(listing, ledger.read(connection))
        finally:
            connection.execute(f"drop table if exists {STAGED}")
    return LoadReport(
        tables={name: run.loads.get(name, TableLoad()) for name in TABLES},
        missing_folders=tuple(name for name in TABLES if name not in listing.folders),
        unknown_columns=tuple(
            UnknownColumn(table, column, len(files))
            for (table, column), files in sorted(run.unknown.items())
        ),
        problems=tuple(sorted(run.problems, key=lambda problem: (problem.table, problem.path))),
        warnings=listing.warnings,
    )


class _Load:
    """One load on its way: what it has to do with, and what has come of it so far."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        loaded_at: datetime,
        hashing: ThreadPoolExecutor,
        workshop: Path,
        report_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._connection = connection
        self._loaded_at = loaded_at
        self._hashing = hashing
        self._workshop = workshop
        self._report_progress = report_progress
        self._prints: dict[LandingFile, Future[Fingerprint]] = {}
        self._todo: Sequence[LandingFile] = ()
        self._bytes_todo = 0
        self._files_done = 0
        self._bytes_done = 0
        self.loads: dict[str, TableLoad] = {}
        self.unknown: dict[tuple[str, str], set[str]] = {}
        self.problems: list[FileProblem] = []

    def load(self, listing: Listing, known: Mapping[tuple[str, str], ledger.Entry]) -> None:
        """Load the files that the ledger does not know, and see to those that have changed."""
        self._note_presence(listing, known)
        self._refuse([Refusal(file, message) for file, message in listing.unreadable])
        self._note_unread(listing, known)
        self._compare(
            [
                (file, entry)
                for file in listing.files
                if (entry := known.get((file.table, file.path)))
                and entry.status not in ("rejected", "unread")
                and not entry.is_of(file)
            ]
        )
        self._todo = [
            file
            for file in listing.files
            if self._is_to_load(file, known.get((file.table, file.path)))
        ]
        self._bytes_todo = sum(file.size_bytes for file in self._todo)
        for batch in _form_batches(self._todo):
            self._try(batch)
        ledger.forget_renamed(self._connection)

    def _note_presence(
        self, listing: Listing, known: Mapping[tuple[str, str], ledger.Entry]
    ) -> None:
        """Note which files were taken away, and which are back.

        What was rejected stays on record without its file, for nobody has looked at it. A folder
        that could not be opened is no file: its case is closed once its files are seen.
        """
        there = {(file.table, file.path) for file in listing.files}
        unread = [file for file, _ in listing.unread]
        there |= {(file.table, file.path) for file in unread}
        there |= {(file.table, file.path) for file, _ in listing.unreadable}
        opened = {
            (file.table, folder.as_posix())
            for file in (*listing.files, *unread)
            for folder in PurePosixPath(file.path).parents
        }
        ledger.forget(self._connection, (known.keys() & opened) - there)
        gone = [
            key
            for key, entry in known.items()
            if key not in there and key not in opened and not entry.is_gone
        ]
        back = [key for key, entry in known.items() if key in there and entry.is_gone]
        with _transaction(self._connection):
            ledger.note_presence(self._connection, gone, self._loaded_at)
            ledger.note_presence(self._connection, back, None)

    def _note_unread(self, listing: Listing, known: Mapping[tuple[str, str], ledger.Entry]) -> None:
        """Keep on record what nothing reads, for somebody's no may be in it.

        It is no problem of the load: what it means for a delivery is for a door to say. By its
        bytes it is known again when it comes under a better name.
        """
        new = []
        for file, reason in listing.unread:
            entry = known.get((file.table, file.path))
            if entry is None or entry.status != "unread" or not entry.is_of(file):
                new.append((file, reason))
                # Nobody can wait for the end of a pipe.
                if file.location.is_file():
                    self._prints[file] = self._hashing.submit(fingerprint, file)
        outcomes = [
            Outcome(file, self._hash(file), "unread", reason=reason) for file, reason in new
        ]
        with _transaction(self._connection):
            ledger.record(self._connection, outcomes, self._loaded_at)

    def _compare(self, touched: Sequence[tuple[LandingFile, ledger.Entry]]) -> None:
        """Read loaded files again whose size or time differs, to see whether their content does."""
        prints = [(file, entry, self._hashing.submit(fingerprint, file)) for file, entry in touched]
        changes = []
        for file, entry, found in prints:
            try:
                is_same = found.result().content_hash == entry.content_hash
            except OSError as error:
                self._complain(
                    file, "changed", f"it was loaded and cannot be read now: {error.strerror}"
                )
                continue
            if not is_same:
                self._complain(file, "changed", _CHANGED)
            changes.append(
                Change(file, "loaded", None) if is_same else Change(file, "changed", _CHANGED)
            )
        with _transaction(self._connection):
            ledger.note_changes(self._connection, changes)

    def _is_to_load(self, file: LandingFile, entry: ledger.Entry | None) -> bool:
        if entry is None or entry.status == "unread":
            return True
        if entry.status == "rejected" and entry.content_hash is None:
            return True
        if not entry.is_of(file):
            return entry.status == "rejected"
        if entry.status != "loaded":
            self._complain(file, entry.status, entry.reason or "")
        return False

    def _try(self, files: Sequence[LandingFile]) -> None:
        """Load files of one table and format; if one of them breaks the reading, find it."""
        table = TABLES[files[0].table]
        for file in files:
            if file not in self._prints:
                self._prints[file] = self._hashing.submit(fingerprint, file)
        try:
            found, refusals = _READERS[files[0].format](self._connection, table, files)
        except (duckdb.Error, NeedsMending) as error:
            self._divide(files, error)
            return
        self._refuse(refusals)
        for source in found:
            try:
                stage(self._connection, table, source, self._loaded_at)
            except duckdb.Error as error:
                self._divide(source.files, error)
                continue
            self._keep(table, source)

    def _divide(self, files: Sequence[LandingFile], error: Exception) -> None:
        _raise_unless_of_a_file(error)
        if len(files) > 1:
            middle = len(files) // 2
            self._try(files[:middle])
            self._try(files[middle:])
            return
        (file,) = files
        if file.format == "parquet":
            self._refuse([Refusal(file, "it is no Parquet file or a damaged one; write it again")])
        else:
            self._mend(file)

    def _mend(self, file: LandingFile) -> None:
        """Load a text file that could not be read as it is from a mended copy."""
        table = TABLES[file.table]
        copy = self._workshop / "mended"
        try:
            if complaint := self._prints[file].result().complaint:
                self._refuse([Refusal(file, complaint)])
                return
            found = self._stage_mended(table, file, copy)
            if isinstance(found, Refusal):
                self._refuse([found])
            else:
                self._keep(table, found)
        except OSError as error:
            _raise_unless_of_a_file(error)
            self._refuse([Refusal(file, f"it cannot be read: {error.strerror or 'broken'}")])
        finally:
            copy.unlink(missing_ok=True)
            delimited.drop_traces(self._connection)

    def _stage_mended(self, table: Table, file: LandingFile, copy: Path) -> Source | Refusal:
        if file.format == "ndjson":
            return self._stage_copy(table, file, copy, keeps_line_ends=False)
        # Line ends inside fields are content: they are made alike only where those between the
        # rows differ, which DuckDB does not read, or takes for broken quotes.
        found = self._stage_copy(table, file, copy, keeps_line_ends=True)
        if isinstance(found, Source) and not delimited.has_broken_quotes(self._connection):
            return found
        return self._stage_copy(table, file, copy, keeps_line_ends=False)

    def _stage_copy(
        self, table: Table, file: LandingFile, copy: Path, *, keeps_line_ends: bool
    ) -> Source | Refusal:
        delimited.drop_traces(self._connection)
        line_end = lines.mend(file, copy, keeps_line_ends=keeps_line_ends)
        try:
            if file.format == "ndjson":
                found = json_lines.describe_mended(self._connection, table, file, str(copy))
            else:
                found = delimited.describe_mended(table, file, copy, line_end)
            if isinstance(found, Refusal):
                return found
            stage(self._connection, table, found, self._loaded_at)
            if file.format == "csv":
                return delimited.account_for_broken_lines(self._connection, found) or found
            return found
        except duckdb.Error as error:
            _raise_unless_of_a_file(error)
            return Refusal(file, f"it cannot be read as {file.format.upper()}; look at its format")

    def _keep(self, table: Table, source: Source) -> None:
        """Commit what is staged, or everything but files that are not what was staged."""
        unfit = [refusal for file in source.files if (refusal := self._unfit(file))]
        if unfit:
            self._refuse(unfit)
            refused = {refusal.file for refusal in unfit}
            rest = [file for file in source.files if file not in refused]
            if rest:
                self._try(rest)
            return
        counts = {
            index: rows
            for index, *rows in self._connection.execute(
                "select file_index, min(rowid), count(*), count(*) filter (reason is null) "
                f"from {STAGED} group by file_index"
            ).fetchall()
        }
        outcomes = []
        firsts = []
        for index, (file, unknown) in enumerate(
            zip(source.files, source.unknown_columns, strict=True)
        ):
            first, rows, usable = counts.get(index, (0, 0, 0))
            firsts.append(first)
            if rows > usable and source.line_settings:
                path = source.paths[index]
                delimited.restore_texts(
                    self._connection, path, source.line_settings, index, first, rows
                )
            outcomes.append(
                Outcome(
                    file=file,
                    content_hash=self._prints[file].result().content_hash,
                    status="loaded",
                    rows_loaded=usable,
                    rows_rejected=rows - usable,
                    unknown_columns=tuple(map(_hide_address, unknown[:UNKNOWN_COLUMNS_NAMED])),
                )
            )
        # In order, the few rows at the end of each block of a file make a row group of their own,
        # and the next checkpoint writes nearly everything again to merge them. Rows are numbered.
        with (
            _order_of_rows(self._connection, is_kept=False),
            _transaction(self._connection),
        ):
            self._move(table, source, firsts)
            ledger.record(self._connection, outcomes, self._loaded_at)
        for outcome in outcomes:
            self._count(outcome)

    def _move(self, table: Table, source: Source, firsts: Sequence[int]) -> None:
        place = "file_index::bigint + 1"
        origin = {"paths": [file.path for file in source.files], "loaded_at": self._loaded_at}
        row = f"coalesce(row_number, rowid - list_extract($firsts, {place}) + 1)"
        names = ", ".join(map(quote, table.column_names))
        into = ", ".join(quote(column.name) for column in ROW_ORIGIN)
        self._connection.execute(
            f"insert into {qualify(table)} ({names}, {into}) "
            f"select {names}, $loaded_at::timestamp, list_extract($paths, {place}), {row} "
            f"from {STAGED} where reason is null",
            {**origin, "firsts": list(firsts)},
        )
        self._connection.execute(
            f"insert into {qualify(REJECTED_ROWS)} by name "
            f"select $table as table_name, list_extract($paths, {place}) as path, "
            f"{row} as row_number, reason, row_text as raw_text, "
            f"$loaded_at::timestamp as loaded_at from {STAGED} where reason is not null",
            {**origin, "firsts": list(firsts), "table": table.name},
        )

    def _unfit(self, file: LandingFile) -> Refusal | None:
        """Return why a staged file must not be kept: it is damaged, or not at rest."""
        try:
            if complaint := self._prints[file].result().complaint:
                return Refusal(file, complaint)
            if not file.is_as_listed():
                del self._prints[file]
                return Refusal(file, "it changed while it was read; let it come to rest, run again")
        except OSError as error:
            return Refusal(file, f"it cannot be read: {error.strerror}")
        return None

    def _refuse(self, refusals: Sequence[Refusal]) -> None:
        outcomes = [
            Outcome(refusal.file, self._hash(refusal.file), "rejected", reason=refusal.message)
            for refusal in refusals
        ]
        with _transaction(self._connection):
            ledger.record(self._connection, outcomes, self._loaded_at)
        for refusal in refusals:
            self._complain(refusal.file, "rejected", refusal.message)
            if self._todo:
                self._advance(refusal.file)

    def _hash(self, file: LandingFile) -> str | None:
        try:
            return self._prints[file].result().content_hash if file in self._prints else None
        except OSError:
            return None

    def _complain(self, file: LandingFile, status: Status, message: str) -> None:
        self.problems.append(FileProblem(file.table, file.path, status, f"{file.path}: {message}"))

    def _count(self, outcome: Outcome) -> None:
        before = self.loads.get(outcome.file.table, TableLoad())
        self.loads[outcome.file.table] = TableLoad(
            before.files_loaded + 1,
            before.rows_loaded + outcome.rows_loaded,
            before.rows_rejected + outcome.rows_rejected,
        )
        for column in outcome.unknown_columns:
            # Letter case does not tell columns apart; one file may spell one in two ways.
            files = self.unknown.setdefault((outcome.file.table, fold_name(column)), set())
            files.add(outcome.file.path)
        self._advance(outcome.file)

    def _advance(self, file: LandingFile) -> None:
        self._files_done += 1
        self._bytes_done += file.size_bytes
        if self._report_progress:
            self._report_progress(
                Progress(
                    table=file.table,
                    files_done=self._files_done,
                    files_total=len(self._todo),
                    bytes_done=self._bytes_done,
                    bytes_total=self._bytes_todo,
                )
            )


_READERS: Final = {
    "parquet": columnar.describe,
    "ndjson": json_lines.describe,
    "csv": delimited.describe,
}


def _hide_address(column: str) -> str:
    """Return a column's name for messages, unless a value has got where names belong."""
    return "(a name with an @)" if "@" in column else column


def _form_batches(files: Sequence[LandingFile]) -> Iterator[list[LandingFile]]:
    """Yield the files in bounded groups of one table, format and packing."""
    kinds: dict[tuple[str, str, bool], list[LandingFile]] = {}
    for file in files:
        kinds.setdefault((file.table, file.format, file.is_gzip), []).append(file)
    for alike in kinds.values():
        batch: list[LandingFile] = []
        weight = 0
        for file in alike:
            is_packed = file.is_gzip or file.format == "parquet"
            more = file.size_bytes * (_UNPACKED_PER_PACKED_BYTE if is_packed else 1)
            if batch and (len(batch) == _BATCH_FILES or weight + more > _BATCH_BYTES):
                yield batch
                batch, weight = [], 0
            batch.append(file)
            weight += more
        yield batch


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what is done inside, or nothing of it."""
    try:
        connection.begin()
        yield
        connection.commit()
    except duckdb.Error as error:
        _roll_back(connection)
        _raise_unless_of_a_file(error)
        raise
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.rollback()
    except duckdb.Error:
        # The engine has ended the transaction itself, as it does when a commit fails.
        return


@contextmanager
def _order_of_rows(connection: duckdb.DuckDBPyConnection, *, is_kept: bool) -> Iterator[None]:
    """Have what is inserted keep the order of what it is read from, or not."""
    before = connection.execute("select current_setting('preserve_insertion_order')").fetchone()
    connection.execute(f"set preserve_insertion_order = {is_kept}")
    try:
        yield
    finally:
        # A database that DuckDB has given up takes no settings; the error is on its way.
        with suppress(duckdb.FatalException):
            connection.execute(f"set preserve_insertion_order = {before is None or before[0]}")


_EXHAUSTION: Final = (
    "no space left",
    "file too large",
    "failed to offload",
    "could not write",
    "disk quota",
    "max_temp_directory_size",
)


def _raise_unless_of_a_file(error: Exception) -> None:
    """Raise what must not be put down to a file: our own faults, and the machine's."""
    text = str(error).lower()
    if isinstance(error, _FAULTS):
        raise error
    if isinstance(error, duckdb.OutOfMemoryException) and "failed to offload" not in text:
        raise LoadStopped(
            "the memory is used up; close other programs or raise DuckDB's memory_limit, and "
            "run again: what was loaded stays, the rest is loaded then"
        ) from error
    if any(words in text for words in _EXHAUSTION):
        raise LoadStopped(
            "the disk of the warehouse or of its temporary files is full; free some space and "
            "run again: what was loaded stays, the rest is loaded then"
        ) from error
    if isinstance(error, duckdb.FatalException):
        raise LoadStopped(
            "DuckDB gave up the warehouse in the middle of the load; run again: what was loaded "
            "stays, the rest is loaded then"
        ) from error
