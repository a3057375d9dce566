"""Files of the landing folder: every format, one file per month and chunk, a few broken rows."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulation.calendar import Calendar
from simulation.params import Dirt
from simulation.tables import Batch

Format = Literal["parquet", "ndjson", "ndjson.gz", "jsonl.gz", "csv", "csv.gz"]

# The months of the first chunk, by turns. Text formats are for the taste of it: they are slow to
# write, so all other chunks are Parquet. Contacts are always CSV.
_MONTHLY: Final[dict[str, tuple[Format, ...]]] = {
    "email_events": ("parquet", "ndjson.gz", "parquet", "parquet", "jsonl.gz", "parquet"),
    "web_events": ("ndjson", "parquet", "parquet", "csv.gz", "parquet", "parquet"),
    "orders": ("csv", "parquet", "csv.gz", "parquet"),
    "order_lines": ("csv", "parquet", "ndjson", "parquet"),
}

# Written as milliseconds since 1970, as some services do.
_EPOCH_FORMAT: Final = "jsonl.gz"
# Written with its columns in capitals and in reverse: the contract goes by name alone.
_OTHER_HEADER_FORMAT: Final = "csv.gz"

_COMPRESSION: Final = 4
_NO_DICTIONARY: Final = {"event_id", "message_id", "session_id", "occurred_at", "order_id"}

_BAD_TIME: Final = "2025-13-45T25:61:00Z"
_EPOCH: Final = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Written:
    """What a file or several hold: rows that can be used, and rows that are broken."""

    rows: int
    broken: int

    def __add__(self, other: "Written") -> "Written":
        return Written(self.rows + other.rows, self.broken + other.broken)


def write_months(
    folder: Path, name: str, batch: Batch, chunk: int, dirt: Dirt, calendar: Calendar
) -> Written:
    """Write a batch as one file per month of writing; rows written past the end go in the last.

    The first text file of the first chunk holds the broken rows, on top of the others.
    """
    months = calendar.months()
    edges = np.array([begin for _, begin in months[1:]], dtype=np.int64)
    month = np.searchsorted(edges, batch.written, side="right")
    order = np.argsort(month, kind="stable")
    bounds = np.searchsorted(month[order], np.arange(len(months) + 1))
    breaks = _most_broken(name, len(batch.table), dirt) if chunk == 0 else 0
    total = Written(0, 0)
    for index, (label, _) in enumerate(months):
        rows = order[bounds[index] : bounds[index + 1]]
        if not len(rows):
            continue
        formats = _MONTHLY[name]
        file_format = formats[index % len(formats)] if chunk == 0 else "parquet"
        # A time of one month has no text file of e-mail events else.
        if chunk == 0 and len(months) == 1:
            file_format = next(each for each in formats if each != "parquet")
        is_text = file_format != "parquet"
        done = write(
            folder / name / label / f"part-{chunk:04d}.{file_format}",
            batch.table.take(pa.array(rows)),
            file_format,
            name,
            breaks if is_text else 0,
        )
        breaks -= done.broken
        total += done
    return total


def write_contacts(folder: Path, tables: dict[str, pa.Table], chunk: int, dirt: Dirt) -> Written:
    """Write each system's contacts as CSV, the second system's compressed."""
    total = Written(0, 0)
    for system, table in tables.items():
        is_first = system == next(iter(tables))
        breaks = _most_broken("contacts", len(table), dirt) if is_first and chunk == 0 else 0
        file_format: Format = "csv" if is_first else "csv.gz"
        file = folder / "contacts" / system / f"part-{chunk:04d}.{file_format}"
        total += write(file, table, file_format, "contacts", breaks)
    return total


def _most_broken(name: str, rows: int, dirt: Dirt) -> int:
    return min(dirt.broken_rows.get(name, 0), int(rows * dirt.broken_share))


def write(file: Path, table: pa.Table, file_format: Format, name: str, breaks: int = 0) -> Written:
    """Write one file of a table, with up to `breaks` broken rows added."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file_format == "parquet":
        pq.write_table(
            table,
            file,
            compression="zstd",
            compression_level=1,
            use_dictionary=[each for each in table.column_names if each not in _NO_DICTIONARY],
        )
        return Written(len(table), 0)
    is_csv = file_format.startswith("csv")
    text = _as_text(table, file_format, file)
    if breaks:
        break_rows = _broken_csv if is_csv else _broken_json
        text, breaks = break_rows(text, name, breaks)
    if file_format.endswith(".gz"):
        # Without a time of writing, so that the same shop has the same bytes.
        text = gzip.compress(text, _COMPRESSION, mtime=0)
    file.write_bytes(text)
    return Written(len(table), breaks)


def _as_text(table: pa.Table, file_format: Format, file: Path) -> bytes:
    is_csv = file_format.startswith("csv")
    has_epochs = file_format == _EPOCH_FORMAT
    has_other_header = file_format == _OTHER_HEADER_FORMAT
    times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    as_time = "epoch_ms({})" if has_epochs else "strftime({}, '%Y-%m-%dT%H:%M:%S.%gZ')"
    values = {
        each: as_time.format(_quoted(each)) if each in times else _quoted(each)
        for each in table.column_names
    }
    if has_other_header:
        values = {each.upper(): values[each] for each in reversed(values)}
    columns = ", ".join(f"{value} as {_quoted(each)}" for each, value in values.items())
    plain = file.with_name(f".{file.name}.txt")
    kind = "format csv, header" if is_csv else "format json"
    with duckdb.connect(config={"threads": 1, "autoload_known_extensions": False}) as connection:
        connection.register("rows_to_write", table)
        connection.execute(
            f"copy (select {columns} from rows_to_write) to '{_escaped(plain)}' ({kind})"
        )
    text = plain.read_bytes()
    plain.unlink()
    return text


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _escaped(file: Path) -> str:
    return str(file).replace("'", "''")


def _broken_json(text: bytes, name: str, breaks: int) -> tuple[bytes, int]:
    """Put broken copies of rows behind the first line; of e-mail events only of opens.

    Half a line, a time that is none, a time of 1970, a number that is none, by turns.
    """
    needle = b'"event_type":"open"' if name == "email_events" else b"{"
    lines: list[bytes] = []
    position = 0
    for number in range(breaks):
        found = text.find(needle, position)
        if found < 0:
            break
        begin, end = text.rfind(b"\n", 0, found) + 1, text.find(b"\n", found)
        row = json.loads(text[begin:end])
        lines.append(_BREAK_JSON[number % len(_BREAK_JSON)](row, text[begin:end]))
        position = end
    first_end = text.find(b"\n") + 1
    return text[:first_end] + b"".join(line + b"\n" for line in lines) + text[first_end:], len(
        lines
    )


def _half(row: dict[str, object], line: bytes) -> bytes:
    return line[: len(line) * 2 // 5]


def _no_time(row: dict[str, object], line: bytes) -> bytes:
    return json.dumps(row | {_time_of(row): _BAD_TIME}).encode()


def _of_1970(row: dict[str, object], line: bytes) -> bytes:
    return json.dumps(row | {_time_of(row): _EPOCH}).encode()


def _no_number(row: dict[str, object], line: bytes) -> bytes:
    number = next((each for each in ("quantity", "is_machine") if each in row), _time_of(row))
    return json.dumps(row | {number: "two"}).encode()


def _time_of(row: dict[str, object]) -> str:
    return "occurred_at" if "occurred_at" in row else "updated_at"


_BREAK_JSON: Final[tuple[Callable[[dict[str, object], bytes], bytes], ...]] = (
    _half,
    _of_1970,
    _no_time,
    _no_number,
)


def _broken_csv(text: bytes, name: str, breaks: int) -> tuple[bytes, int]:
    """Put broken rows behind the header: too many fields, an unusable time, a lone word."""
    end = text.find(b"\n") + 1
    columns = text[:end].decode().strip().lower().split(",")
    values = dict.fromkeys(columns, "")
    values |= {each: _EXAMPLE[each] for each in columns if each in _EXAMPLE}
    wrong = [
        values | {columns[-1]: "surplus,fields,in,this,row"},
        values | {_required_time(columns): _BAD_TIME},
        values | {_required_number(columns): "a dozen"},
    ]
    lines = [",".join(row.values()).encode() for row in wrong[:breaks]]
    return text[:end] + b"".join(line + b"\n" for line in lines) + text[end:], len(lines)


_EXAMPLE: Final = {
    "order_id": "W0-0",
    "contact_id": "0",
    "email": "nobody@mail.example",
    "event_type": "page_view",
    "anonymous_id": "0",
    "product_id": "P0001",
    "occurred_at": "2025-06-01T00:00:00Z",
    "ordered_at": "2025-06-01T00:00:00Z",
    "updated_at": "2025-06-01T00:00:00Z",
    "total_amount": "1.00",
    "line_number": "1",
    "quantity": "1",
    "unit_price": "1.00",
}


def _required_time(columns: list[str]) -> str:
    return next(each for each in ("occurred_at", "ordered_at", "updated_at") if each in columns)


def _required_number(columns: list[str]) -> str:
    candidates = ("total_amount", "quantity", "unit_price", "birth_date")
    return next(each for each in candidates if each in columns)
