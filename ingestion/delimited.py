"""CSV: comma, double quotes, a header row; columns found by the header's names."""

import csv
import io
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
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
    NeedsMending,
    Refusal,
    Source,
    find_missing_column,
    find_repeated_column,
    fold_name,
)
from ingestion.values import quote_text

_OTHER_DELIMITERS: Final[Mapping[str, str]] = {";": "semicolons", "\t": "tabs", "|": "bars"}
_END: Final = f"{MARK}end"
_BROKEN: Final = "broken_lines"
_BROKEN_SCANS: Final = "broken_lines_scans"
_NO_LIMIT: Final = 1 << 40
_END_SQL: Final = quote_text(_END)


@dataclass(frozen=True)
class _Header:
    """The names of a file's columns as it writes them, and whether blank lines precede them."""

    names: tuple[str, ...]
    follows_blank_lines: bool


def describe(
    _: duckdb.DuckDBPyConnection, table: Table, files: Sequence[LandingFile]
) -> tuple[list[Source], list[Refusal]]:
    """Describe files, all gzip or none, as one source per header; refuse what has no good one."""
    alike: dict[tuple[str, ...], list[LandingFile]] = {}
    refusals: list[Refusal] = []
    for file in files:
        header = _read_header(table, file)
        if isinstance(header, Refusal):
            refusals.append(header)
        else:
            if header.follows_blank_lines:
                # DuckDB takes a blank first line for the header, and told to skip it loses
                # the whole file without a word if it ends otherwise than the other lines.
                raise NeedsMending(file.path)
            alike.setdefault(header.names, []).append(file)
    settings = lines.make_settings(is_gzip=files[0].is_gzip)
    found = [
        _describe_alike(table, names, same, lines.escape_names(same), settings)
        for names, same in alike.items()
    ]
    return found, refusals


def describe_mended(table: Table, file: LandingFile, copy: Path, line_end: str) -> Source | Refusal:
    """Describe the mended copy of a file with rows that the strict reader does not take.

    Too few fields are filled with nulls. What is no CSV line is left out and waits for
    `account_for_broken_lines`. Appends a last line to the copy.
    """
    header = _read_header(table, file)
    if isinstance(header, Refusal):
        return header
    # A quote that never ends swallows this line: DuckDB then ends without an error.
    with copy.open("a", encoding="utf-8", newline="") as end:
        end.write(line_end + ",".join([_END] * len(header.names)) + line_end)
    settings = lines.make_settings(is_gzip=False, max_line_bytes=lines.MAX_MENDED_LINE_BYTES)
    leniency = (
        f", parallel=false, null_padding=true, store_rejects=true, rejects_limit=0, "
        f"rejects_table={quote_text(_BROKEN)}, rejects_scan={quote_text(_BROKEN_SCANS)}, "
        f"rejects_line_size_limit={_NO_LIMIT}"
    )
    cells = ", ".join(f"c{n}" for n in range(len(header.names)))
    flaws = (
        Flaw(f"c0 = {_END_SQL}", _END),
        Flaw(
            f"contains(concat_ws('', {cells}), {quote_text(MARK)})",
            "the line has bytes that are not UTF-8",
        ),
    )
    return _describe_alike(table, header.names, [file], [str(copy)], settings, leniency, flaws)


def account_for_broken_lines(
    connection: duckdb.DuckDBPyConnection, source: Source
) -> Refusal | None:
    """Number the staged rows of a mended copy and add the lines that were no rows.

    Returns a refusal where a quote leaves it open at which lines rows begin.
    """
    file = source.files[0]
    ended = connection.execute(f"delete from {STAGED} where reason = $1", [_END]).fetchone()
    quote = (
        "a quote that opens near row {} does not end where its field ends; "
        "close it, and double the quotes inside a field"
    )
    if not ended or ended[0] != 1:
        rows = connection.execute(f"select count(*) from {STAGED}").fetchone()
        return Refusal(file, quote.format(rows[0] if rows else 1))
    _place_broken_lines(connection, source)
    open_quote = connection.execute(
        "select min(position) from broken where regexp_matches(text, '[\\r\\n]') "
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


def has_broken_quotes(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether lines were left out of a mended copy for how they are quoted."""
    count = "select count(*) from broken where error <> 'TOO MANY COLUMNS'"
    return connection.execute(count).fetchone() != (0,)


def _place_broken_lines(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Make a table of the broken lines, each with its place among the file's rows.

    DuckDB counts records, blank lines among them. Where every record is one line the blank ones
    are told apart and the place is exact; where fields hold line ends, blank lines count.
    """
    connection.execute(
        "create or replace temp table broken as select line as record, line - 1 as position, "
        "0::bigint as nth, any_value(error_type) as error, "
        # A blank line before it comes along.
        "trim(any_value(csv_line), chr(10) || chr(13)) as text "
        f"from {_BROKEN} group by line"
    )
    if connection.execute("select count(*) from broken").fetchone() == (0,):
        return
    # Reading by lines fails where fields hold line ends of another kind than the rows'.
    with suppress(duckdb.InvalidInputException):
        connection.execute(
            "create or replace temp table ranked as select record, "
            "sum(is_filled::int) over (order by record) - 1 as place "
            f"from (select row_number() over () as record, {lines.IS_FILLED} as is_filled "
            f"from {lines.select_with_blank_lines(source.line_settings or '')})",
            {"paths": list(source.paths)},
        )
        # Besides rows and broken lines a mended copy has a header and the line appended to it.
        connection.execute(
            "update broken set position = ranked.place from ranked "
            "where ranked.record = broken.record and (select max(place) from ranked) = "
            f"(select count(*) from {STAGED}) + (select count(*) from broken) + 1"
        )
    connection.execute(
        "update broken set nth = ranked.nth from "
        "(select record, row_number() over (order by record) as nth from broken) as ranked "
        "where ranked.record = broken.record"
    )


def drop_traces(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the temporary tables that reading a mended copy leaves behind."""
    for name in (_BROKEN, _BROKEN_SCANS, "broken", "ranked", "numbered"):
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
    all_lines = lines.select_lines(line_settings)
    found = f"(select * from {all_lines} where not starts_with(line, {_END_SQL}))"
    numbered = f"(select row_number() over () - 1 as nth, line from {found})"
    # Reading by lines fails where fields hold line ends of another kind than the rows'.
    with suppress(duckdb.InvalidInputException):
        counted = connection.execute(f"select count(*) from {found}", {"paths": [path]}).fetchone()
        if counted == (rows + 1,):
            connection.execute(
                f"update {STAGED} as staged set row_text = replace(line, {quote_text(MARK)}, '') "
                f"from {numbered} as lines "
                "where staged.reason is not null and staged.file_index = $file_index "
                "and lines.nth = coalesce(row_number, staged.rowid - $first_rowid + 1)",
                {"paths": [path], "file_index": file_index, "first_rowid": first_rowid},
            )


def _describe_alike(
    table: Table,
    header: Sequence[str],
    files: Sequence[LandingFile],
    paths: Sequence[str],
    settings: str,
    leniency: str = "",
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
            f"delim=',', quote='\"', escape='\"', {settings}{leniency}) "
            f"where ({is_no_row}) is not true)"
        ),
        paths=tuple(paths),
        parameters={},
        cells={
            fold_name(name): Cell(f"c{n}")
            for n, name in enumerate(header)
            if fold_name(name) in known
        },
        row_text=f"replace(concat_ws(',', {fields}), {quote_text(MARK)}, '')",
        unknown_columns=(tuple(sorted({n for n in header if fold_name(n) not in known})),)
        * len(files),
        flaws=flaws,
        line_settings=settings,
    )


def _read_header(table: Table, file: LandingFile) -> _Header | Refusal:
    try:
        with (
            file.open_unpacked() as unpacked,
            io.TextIOWrapper(unpacked, "utf-8-sig", errors="replace", newline="") as text,
        ):
            rows = csv.reader(text)
            line, names = next(
                ((n, row) for n, row in enumerate(rows) if any(map(str.strip, row))), (0, [])
            )
    except (OSError, EOFError, zlib.error):
        return Refusal(file, _explain_unreadable(file))
    except csv.Error:
        return Refusal(file, "its first row is no header row of CSV")
    if not names:
        return Refusal(file, "it has no header row")
    if "\0" in "".join(names):
        return Refusal(file, "it is not text in UTF-8; save it as CSV in UTF-8")
    present = [fold_name(name) for name in names]
    complaint = find_repeated_column(table, present) or find_missing_column(table, present)
    if complaint and len(names) == 1:
        for delimiter, spoken in _OTHER_DELIMITERS.items():
            if delimiter in names[0]:
                return Refusal(file, f"its columns are set apart by {spoken}; set them by commas")
    return (
        Refusal(file, complaint)
        if complaint
        else _Header(tuple(names), follows_blank_lines=line > 0)
    )


def _explain_unreadable(file: LandingFile) -> str:
    if file.is_gzip:
        return "it is no whole gzip file; copy it again"
    return "it cannot be read; look at its permissions and its disk"
