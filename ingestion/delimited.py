"""CSV: comma, double quotes, a header row; columns found by the header's names."""

import csv
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from ingestion import lines
from ingestion.contract import Table
from ingestion.landing import LandingFile
from ingestion.lines import MARK
from ingestion.staging import (
    STAGED,
    Cell,
    Flaw,
    Refusal,
    Source,
    column_name,
    missing_columns,
    repeated_column,
)
from ingestion.values import literal

_OTHER_DELIMITERS: Final[Mapping[str, str]] = {";": "semicolons", "\t": "tabs", "|": "bars"}
_END: Final = f"{MARK}end"
_BROKEN: Final = "broken_lines"
_BROKEN_SCANS: Final = "broken_lines_scans"
_NO_LIMIT: Final = 1 << 40
_END_SQL: Final = literal(_END)


@dataclass(frozen=True)
class _Header:
    """The names of a file's columns as it writes them, and how many blank lines precede them."""

    line: int
    names: tuple[str, ...]


def sources(
    _: duckdb.DuckDBPyConnection, table: Table, files: Sequence[LandingFile]
) -> tuple[list[Source], list[Refusal]]:
    """Describe files, all gzip or none, as one source per header; refuse what has no good one."""
    alike: dict[_Header, list[LandingFile]] = {}
    refusals: list[Refusal] = []
    for file in files:
        header = _header(table, file)
        if isinstance(header, Refusal):
            refusals.append(header)
        else:
            alike.setdefault(header, []).append(file)
    settings = lines.reader_settings(is_gzip=files[0].is_gzip)
    found = [
        _source(table, header.names, same, lines.names(same), settings, f"skip={header.line}")
        for header, same in alike.items()
    ]
    return found, refusals


def mended_source(table: Table, file: LandingFile, copy: str) -> tuple[list[Source], list[Refusal]]:
    """Describe the mended copy of a file with rows that the strict reader does not take.

    Too few fields are filled with nulls. What is no CSV line is left out and waits for
    `account_for_broken_lines`. Appends a last line to the copy.
    """
    header = _header(table, file)
    if isinstance(header, Refusal):
        return [], [header]
    # A quote that never ends swallows this line: DuckDB then ends without an error.
    with open(copy, "a", encoding="utf-8", newline="\n") as end:  # noqa: PTH123
        end.write("\n" + ",".join([_END] * len(header.names)) + "\n")
    settings = lines.reader_settings(is_gzip=False, max_line_bytes=lines.MAX_MENDED_LINE_BYTES)
    leniency = (
        f"parallel=false, null_padding=true, store_rejects=true, rejects_limit=0, "
        f"rejects_table={literal(_BROKEN)}, rejects_scan={literal(_BROKEN_SCANS)}, "
        f"rejects_line_size_limit={_NO_LIMIT}"
    )
    cells = ", ".join(f"c{n}" for n in range(len(header.names)))
    flaws = (
        Flaw(f"c0 = {_END_SQL}", _END),
        Flaw(
            f"contains(concat_ws('', {cells}), {literal(MARK)})",
            "the line has bytes that are not UTF-8",
        ),
    )
    return [_source(table, header.names, [file], [copy], settings, leniency, flaws)], []


def account_for_broken_lines(
    connection: duckdb.DuckDBPyConnection, source: Source
) -> Refusal | None:
    """Number the staged rows of a mended copy and add the lines that were no rows.

    Returns a refusal where a quote leaves it open at which lines rows begin.
    """
    file = source.files[0]
    ended = connection.execute(f"delete from {STAGED} where reason = $1", [_END]).fetchone()
    quote = (
        "a quote opens a field in row {} and does not end it; "
        "close it, and double the quotes inside a field"
    )
    if not ended or ended[0] != 1:
        rows = connection.execute(f"select count(*) from {STAGED}").fetchone()
        return Refusal(file, quote.format(f"{rows[0] if rows else 1} or after"))
    connection.execute(
        "create or replace temp table broken as select *, row_number() over (order by position) "
        "as nth from (select line - 1 as position, any_value(csv_line) as text, "
        f"any_value(error_type) as error from {_BROKEN} group by line)"
    )
    open_quote = connection.execute(
        "select min(position) from broken where contains(text, chr(10)) "
        "or error not in ('TOO MANY COLUMNS', 'UNQUOTED VALUE')"
    ).fetchone()
    if open_quote and open_quote[0] is not None:
        return Refusal(file, quote.format(open_quote[0]))
    # The n-th broken line stands after (position - n) good rows.
    connection.execute(
        f"create or replace temp table numbered as select staged.* replace ("
        "staged.rowid + 1 + coalesce(before.nth, 0) as row_number) "
        f"from {STAGED} as staged asof left join (select position - nth as good_rows, "
        "max(nth) as nth from broken group by all) as before "
        "on staged.rowid + 1 > before.good_rows"
    )
    connection.execute(
        "insert into numbered by name select case error when 'TOO MANY COLUMNS' "
        "then 'the line has more fields than the header' "
        "else 'the line has a quote that is not closed, or not doubled' end as reason, "
        "text as row_text, 0 as file_index, position as row_number from broken"
    )
    connection.execute(f"drop table {STAGED}; alter table numbered rename to staged")
    return None


def drop_traces(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the temporary tables that reading a mended copy leaves behind."""
    for name in (_BROKEN, _BROKEN_SCANS, "broken", "numbered"):
        connection.execute(f'drop table if exists temp."{name}"')


def restore_texts(
    connection: duckdb.DuckDBPyConnection,
    path: str,
    line_settings: str,
    file_index: int,
    first_rowid: int,
    rows: int,
) -> None:
    """Put the lines themselves into `row_text` where every row is one line.

    Else the text stays what staging made of it: the fields, written as CSV anew.
    """
    found = (
        f"(select * from {lines.relation(line_settings)} where not starts_with(line, {_END_SQL}))"
    )
    numbered = f"(select row_number() over () - 1 as nth, line from {found})"
    try:
        counted = connection.execute(f"select count(*) from {found}", {"paths": [path]}).fetchone()
        if not counted or counted[0] != rows + 1:
            return
        connection.execute(
            f"update {STAGED} as staged set row_text = replace(line, {literal(MARK)}, '') "
            f"from {numbered} as lines "
            "where staged.reason is not null and staged.file_index = $file_index "
            "and staged.row_number is null and lines.nth = staged.rowid - $first_rowid + 1",
            {"paths": [path], "file_index": file_index, "first_rowid": first_rowid},
        )
    except duckdb.InvalidInputException:
        # Lines that end in different ways: fine inside quotes, but not for reading by lines.
        return


def _source(
    table: Table,
    header: Sequence[str],
    files: Sequence[LandingFile],
    paths: Sequence[str],
    settings: str,
    more_settings: str,
    flaws: tuple[Flaw, ...] = (),
) -> Source:
    width = len(header)
    known = set(table.column_names)
    columns = ", ".join(f"'c{n}': 'VARCHAR'" for n in range(width))
    # A line of blanks is a row with one field to the reader; to a reader of the file it is none.
    rest = " and ".join(["true", *(f"c{n} is null" for n in range(1, width))])
    is_no_row = f"{rest} and trim(c0, ' ' || chr(9)) = ''" if width > 1 else "c0 is null"
    fields = ", ".join(
        f"case when regexp_matches(c{n}, '[\",\\r\\n]') then "
        f"'\"' || replace(c{n}, '\"', '\"\"') || '\"' else coalesce(c{n}, '') end"
        for n in range(width)
    )
    return Source(
        files=tuple(files),
        relation=(
            f"(select *, file_index from read_csv($paths, columns={{{columns}}}, header=true, "
            f"delim=',', quote='\"', escape='\"', {settings}, {more_settings}) "
            f"where ({is_no_row}) is not true)"
        ),
        paths=tuple(paths),
        parameters={},
        cells={
            column_name(name): Cell(f"c{n}")
            for n, name in enumerate(header)
            if column_name(name) in known
        },
        row_text=f"replace(concat_ws(',', {fields}), {literal(MARK)}, '')",
        unknown_columns=(tuple(sorted({n for n in header if column_name(n) not in known})),)
        * len(files),
        flaws=flaws,
        line_settings=settings,
    )


def _header(table: Table, file: LandingFile) -> _Header | Refusal:
    try:
        with (
            file.unpacked() as unpacked,
            io.TextIOWrapper(unpacked, "utf-8-sig", errors="replace", newline="") as text,
        ):
            rows = csv.reader(text)
            line, names = next(
                ((n, row) for n, row in enumerate(rows) if any(map(str.strip, row))), (0, [])
            )
    except (OSError, EOFError, zlib.error):
        return Refusal(file, _unreadable(file))
    except csv.Error:
        return Refusal(file, "its first row is no header row of CSV")
    if not names:
        return Refusal(file, "it has no header row")
    if "\0" in "".join(names):
        return Refusal(file, "it is not text in UTF-8; save it as CSV in UTF-8")
    present = [column_name(name) for name in names]
    complaint = repeated_column(table, present) or missing_columns(table, present)
    if complaint and len(names) == 1:
        for delimiter, spoken in _OTHER_DELIMITERS.items():
            if delimiter in names[0]:
                return Refusal(file, f"its columns are set apart by {spoken}; set them by commas")
    return Refusal(file, complaint) if complaint else _Header(line, tuple(names))


def _unreadable(file: LandingFile) -> str:
    if file.is_gzip:
        return "it is no whole gzip file; copy it again"
    return "it cannot be read; look at its permissions and its disk"
