"""A batch of files as one temporary table: every row with its values, or with why it has none."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import duckdb

from ingestion import values
from ingestion.contract import Column, Table, Type
from ingestion.landing import LandingFile
from ingestion.values import quote, quote_text

STAGED: Final = 'temp."staged"'

# Of a file's unknown columns so many are named; data in the place of names has no end.
UNKNOWN_COLUMNS_NAMED: Final = 100

_EARLIEST: Final = "timestamp '2000-01-01'"
_KINDS: Final[Mapping[Type, str]] = {
    "timestamp": "a timestamp",
    "date": "a date",
    "decimal": "a decimal(18,2) number",
    "decimal(18,6)": "a decimal(18,6) number",
    "integer": "a whole number",
    "boolean": "true or false",
    "json": "JSON",
}


@dataclass(frozen=True)
class Cell:
    """Where a column's cells are found in a source: an SQL expression and its DuckDB type."""

    expression: str
    physical_type: str = "VARCHAR"


@dataclass(frozen=True)
class Flaw:
    """A condition on a row of a source that makes the row unusable, and the words for it."""

    condition: str
    reason: str


@dataclass(frozen=True)
class Source:
    """Files of one shape, as one query reads them.

    The relation gives a `file_index` (the place in `files`, from 0) and whatever `cells`, keyed
    by the contract's column names, refer to. `flaws` are looked at before the cells;
    `explanations` only in rows that turn out unusable, because they may say better why.
    `row_text` is the row as it stood in its file, or near it where `line_settings` say how to
    fetch the line itself. `unknown_columns` is per file.
    """

    files: tuple[LandingFile, ...]
    relation: str
    paths: tuple[str, ...]
    parameters: Mapping[str, object]
    cells: Mapping[str, Cell]
    row_text: str
    unknown_columns: tuple[tuple[str, ...], ...]
    flaws: tuple[Flaw, ...] = ()
    explanations: tuple[Flaw, ...] = ()
    line_settings: str | None = None


@dataclass(frozen=True)
class Refusal:
    """A file that is not loaded, and the sentence that says why and what to do."""

    file: LandingFile
    message: str


class NeedsMending(Exception):
    """Text files that are readable, but not by DuckDB as they are."""


def fold_name(written: str) -> str:
    """Return the name by which the contract may know a column, however a file writes it."""
    return written.strip(" \t\r\n\ufeff").lower()


def find_repeated_column(table: Table, present: Sequence[str]) -> str | None:
    """Return why files are refused in which a column of the contract stands twice, else None."""
    for name in table.column_names:
        if present.count(name) > 1:
            return f"the column {name} stands more than once; letter case does not tell it apart"
    return None


def find_missing_column(table: Table, present: Collection[str]) -> str | None:
    """Return why files with only these columns of the contract are refused, else None."""
    for column in table.columns:
        if column.is_required and column.name not in present:
            return f"the required column {column.name} is missing"
    if table.needs_one_of and not set(table.needs_one_of) & set(present):
        return f"one of the columns {' and '.join(table.needs_one_of)} is required; none is there"
    return None


def stage(
    connection: duckdb.DuckDBPyConnection, table: Table, source: Source, loaded_at: datetime
) -> None:
    """Fill `STAGED` from a source: the table's columns and what there is to know of each row.

    `reason` and `row_text` are null for a usable row. The order of the files and of the rows in
    them is kept, so that `rowid` counts them and `row_number` stays null. Raises `duckdb.Error`
    if a file cannot be read to its end.
    """
    pairs = [(column, _express(column, source)) for column in table.columns]
    raw = ", ".join(f"{text} as {_raw(column)}" for column, (text, _) in pairs)
    typed = ", ".join(f"{value} as {quote(column.name)}" for column, (_, value) in pairs)
    names = ", ".join(map(quote, table.column_names))
    rules = " ".join(
        f"when {rule.condition} then {quote_text(rule.reason)}"
        for rule in (*source.flaws, *_list_rules(table, source.cells))
    )
    better = " ".join(
        f"when {flaw.condition} then {quote_text(flaw.reason)}" for flaw in source.explanations
    )
    reason = f"case when broken is null then null {better} else broken end"
    parameters: dict[str, object] = {"paths": list(source.paths), **source.parameters}
    if any(c.is_bounded_time and c.name in source.cells for c in table.columns):
        parameters["latest"] = loaded_at + timedelta(hours=24)
    connection.execute(
        f"create or replace temp table {quote('staged')} as "
        f"select {names}, {reason} as reason, "
        f"case when broken is not null then {source.row_text} end as row_text, file_index, "
        "null::bigint as row_number "
        f"from (select *, case {rules} end as broken "
        f"from (select *, {typed} from (select *, {raw} from {source.relation})))",
        parameters,
    )


def _raw(column: Column) -> str:
    return quote(f"{column.name} as it stands")


def _express(column: Column, source: Source) -> tuple[str, str]:
    """Return what is in a column's cell, and the value that the contract makes of it."""
    cell = source.cells.get(column.name)
    if cell is None:
        return "null::varchar", f"null::{column.sql_type}"
    value = values.convert(column.type, cell.physical_type, cell.expression)
    if value is None:
        return (
            values.as_text(cell.physical_type, cell.expression),
            values.parse(column.type, _raw(column)),
        )
    if cell.physical_type == "JSON":
        return cell.expression, value
    # What the file itself has typed needs no text: it is enough to know that it is there.
    return f"case when {cell.expression} is not null then 'there' end", value


def _list_rules(table: Table, cells: Mapping[str, Cell]) -> Iterator[Flaw]:
    """Yield what makes a row unusable, in the order of the table's columns."""
    for column in table.columns:
        if column.name not in cells:
            if column.is_required:
                # Files without it are refused, unless none of their lines has any column.
                yield Flaw("true", f"{column.name} is missing")
            continue
        value, raw = quote(column.name), _raw(column)
        is_empty = f"{value} is null"
        if column.type == "text":
            is_empty = f"({value} is null or {value} = '')"
        else:
            yield Flaw(
                f"{value} is null and {raw} is not null and not ({values.is_blank(raw)})",
                f"{column.name} is not {_KINDS[column.type]}",
            )
        if column.is_required:
            yield Flaw(is_empty, f"{column.name} is missing")
        if column.values:
            yield Flaw(
                " and ".join(f"{value} <> {quote_text(known)}" for known in column.values),
                f"{column.name} is none of {', '.join(column.values)}",
            )
        if column.is_bounded_time:
            yield Flaw(f"{value} < {_EARLIEST}", f"{column.name} lies before 2000-01-01")
            yield Flaw(
                f"{value} > $latest::timestamp",
                f"{column.name} lies more than 24 hours after the load",
            )
    if table.needs_one_of:
        yield Flaw(
            " and ".join(f"coalesce({quote(name)}, '') = ''" for name in table.needs_one_of),
            f"{' and '.join(table.needs_one_of)} are both missing",
        )
