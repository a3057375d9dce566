"""What stands in the raw tables: words that are understood, values that must be there, types.

The door behind the loader asks it of every table; the last door again of those that hold
opt-outs, because a delivery may follow a build that no first door has seen.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import duckdb

from expectations.counts import measure_rows
from expectations.gate import Measure
from expectations.raw_tables import (
    EXPECTED,
    REQUIRED,
    Columns,
    Type,
    has_usable,
    is_stored_as,
)
from expectations.settings import ColumnsBound, RowsBound, Rule, ShareBound


@dataclass(frozen=True)
class Vocabulary:
    """A column that holds one of a few words, or nothing.

    `event_type` narrows the rows; `is_normalised` says that staging trims and lowers the words.
    """

    rule: str
    table: str
    column: str
    words: tuple[str, ...]
    way_out: str
    event_type: str | None = None
    is_normalised: bool = False


WordRule = Rule[ShareBound] | Rule[RowsBound]

VOCABULARIES: Final = (
    Vocabulary(
        rule="known_web_event_types",
        table="web_events",
        column="event_type",
        words=(
            "page_view",
            "product_view",
            "filter_view",
            "add_to_cart",
            "remove_from_cart",
            "checkout_started",
            "search",
            "video_play",
            "scroll",
            "form_submit",
        ),
        way_out="these rows take part in no segment; if a tracker was renamed, rename it back",
    ),
    Vocabulary(
        rule="known_email_event_types",
        table="email_events",
        column="event_type",
        words=(
            "sent",
            "delivered",
            "deferred",
            "bounce",
            "dropped",
            "open",
            "click",
            "complaint",
            "unsubscribe",
        ),
        way_out="they may be opt-outs; let the loader that filled the table map them",
    ),
    Vocabulary(
        rule="known_bounce_types",
        table="email_events",
        column="bounce_type",
        words=("hard", "soft"),
        way_out="they may be hard bounces; let the loader that filled the table map them",
        event_type="bounce",
        is_normalised=True,
    ),
    Vocabulary(
        rule="known_order_statuses",
        table="orders",
        column="status",
        words=("placed", "paid", "cancelled", "refunded"),
        way_out="these versions count as no order; map them in the source",
    ),
    Vocabulary(
        rule="known_consent_statuses",
        table="consents",
        column="status",
        words=("granted", "withdrawn"),
        way_out="they may be withdrawals; let the loader that filled the table map them",
    ),
    Vocabulary(
        rule="known_consent_purposes",
        table="consents",
        column="purpose",
        words=("email_marketing", "profiling"),
        way_out="they decide nothing; if one of them means email_marketing, map it in the source",
        is_normalised=True,
    ),
)

# A word may be shown in a sentence if it looks like one; anything else may be about a person.
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")


def measure_words(
    connection: duckdb.DuckDBPyConnection, columns: Columns, rules: Mapping[str, WordRule]
) -> Iterator[Measure]:
    """Measure the columns of few words whose rules a door has, by the rule's name.

    An empty word is none. That one is empty where it must not be, is another rule.
    """
    for vocabulary in VOCABULARIES:
        if vocabulary.rule not in rules:
            continue
        total, unknown, example = _count_unknown_words(connection, columns, vocabulary)
        share = unknown / total if total else 0.0
        fact = (
            f"{unknown} of {total} rows in raw.{vocabulary.table} ({share:.1%}) have an unknown "
            f"{vocabulary.column}{example}"
            if unknown
            else f"every {vocabulary.column} in raw.{vocabulary.table} is known"
        )
        for severity, bound in rules[vocabulary.rule].bounds():
            observed, at_most = (
                (share, bound.share_at_most)
                if isinstance(bound, ShareBound)
                else (float(unknown), float(bound.rows_at_most))
            )
            yield Measure(
                rule=vocabulary.rule,
                table=vocabulary.table,
                severity=severity,
                observed=observed,
                at_most=at_most,
                fact=fact,
                way_out=vocabulary.way_out,
            )


def _count_unknown_words(
    connection: duckdb.DuckDBPyConnection, columns: Columns, vocabulary: Vocabulary
) -> tuple[int, int, str]:
    """Return the number of rows, of those with an unknown word, and a clause with the commonest."""
    needed = {vocabulary.column} | ({"event_type"} if vocabulary.event_type else set())
    if not has_usable(columns, vocabulary.table, *needed):
        return 0, 0, ""
    only = "where event_type = $event_type" if vocabulary.event_type else ""
    word = "lower(trim(word))" if vocabulary.is_normalised else "word"
    # Blanks are nothing where nothing may stand; where a value is required, only '' is missing.
    is_required = (vocabulary.column,) in REQUIRED[vocabulary.table]
    is_filled = "word <> ''" if is_required else "trim(word) <> ''"
    # Grouped first: a count by a column of few words is the cheapest look at a large table.
    found = connection.execute(
        f"""
        with counted as (
            select "{vocabulary.column}"::varchar as word, count(*) as row_count
            from raw."{vocabulary.table}"
            {only}
            group by all
        ),
        judged as (
            select
                word,
                row_count,
                {is_filled} and not list_contains($words, {word}) as is_unknown
            from counted
        )
        select
            coalesce(sum(row_count), 0)::bigint,
            coalesce(sum(row_count) filter (where is_unknown), 0)::bigint,
            arg_max(word, (row_count, word)) filter (where is_unknown)
        from judged
        """,
        {"words": list(vocabulary.words)}
        | ({"event_type": vocabulary.event_type} if vocabulary.event_type else {}),
    ).fetchone()
    total, unknown, commonest = found or (0, 0, None)
    example = f', most often "{commonest}"' if _WORD.fullmatch(commonest or "") else ""
    return total, unknown, example


def measure_gaps(
    connection: duckdb.DuckDBPyConnection,
    columns: Columns,
    tables: Collection[str],
    rule: Rule[RowsBound],
) -> Iterator[Measure]:
    """Measure the rows of these tables that lack a required value; an empty text is none."""
    for table in tables:
        required = REQUIRED[table]
        gaps = _count_gaps(connection, columns, table, required)
        listed = ", ".join(f"{rows} without {names}" for names, rows in gaps.items())
        yield from measure_rows(
            "required_values",
            table,
            rule,
            sum(gaps.values()),
            bad=f"rows in raw.{table} lack what the contract requires: {listed}",
            good=f"every row in raw.{table} has what the contract requires",
            way_out="let the loader that filled the table fill them or leave the rows out",
        )


def _count_gaps(
    connection: duckdb.DuckDBPyConnection,
    columns: Columns,
    table: str,
    required: tuple[tuple[str, ...], ...],
) -> dict[str, int]:
    """Return how many rows lack each required value, of those that any row lacks."""
    readable = [names for names in required if has_usable(columns, table, *names)]
    if not readable:
        return {}
    # One filter per column, not one pass over all: DuckDB skips a filter's row groups when their
    # statistics hold no null and no empty text, so where nothing is missing nothing is read.
    counts = " union all ".join(
        f'select {position} as position, count(*) as row_count from raw."{table}" where '
        + " and ".join(_is_missing(table, name) for name in names)
        for position, names in enumerate(readable)
    )
    rows = connection.execute(
        f"select position, row_count from ({counts}) as counts where row_count > 0 order by 1"
    ).fetchall()
    return {" or ".join(readable[position]): row_count for position, row_count in rows}


def _is_missing(table: str, name: str) -> str:
    is_text = EXPECTED[table][name] == "text"
    return f'("{name}" is null or "{name}" = \'\')' if is_text else f'"{name}" is null'


def measure_types(
    columns: Columns, tables: Collection[str], rule: Rule[ColumnsBound]
) -> Iterator[Measure]:
    """Measure the columns of these tables that are missing or of another type."""
    for table in tables:
        expected = EXPECTED[table]
        stored = columns.get(table)
        # A table that is not there at all is an empty one.
        wrong = [] if stored is None else _find_wrong_columns(expected, stored)
        for severity, bound in rule.bounds():
            yield Measure(
                rule="column_types",
                table=table,
                severity=severity,
                observed=float(len(wrong)),
                at_most=float(bound.columns_at_most),
                fact=(
                    f"raw.{table} differs from the contract in {len(wrong)} "
                    f"{'column' if len(wrong) == 1 else 'columns'}: " + ", ".join(wrong)
                    if wrong
                    else f"the columns of raw.{table} are those of the contract"
                ),
                way_out="let the loader that filled the table make them as the contract has them",
            )


def _find_wrong_columns(expected: Mapping[str, Type], stored: Mapping[str, str]) -> list[str]:
    return [
        f"{name} is missing" if name not in stored else f"{name} is {stored[name]}, not {type_}"
        for name, type_ in expected.items()
        if name not in stored or not is_stored_as(type_, stored[name])
    ]
