"""Door one, behind the loader: is what was loaded a batch that the models can stand on?

Every figure is measured in the database. Where the loader's ledger has it, the ledger is asked,
not the table; what has to look at a table reads one column of it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb

from expectations import gate, verdicts
from expectations.gate import Measure, Verdict
from expectations.raw_tables import (
    EXPECTED,
    REQUIRED,
    Type,
    has_usable,
    is_stored_as,
    read_columns,
)
from expectations.settings import (
    AfterLoading,
    DoorSettings,
    RowsBound,
    Rule,
    ShareBound,
    reviewed_until,
    to_utc,
)

DOOR: Final = "after_loading"

_FILLING_TABLES: Final = ("email_events", "contacts")
_EVENT_TIMES: Final = {
    "email_events": "occurred_at",
    "web_events": "occurred_at",
    "orders": "ordered_at",
}


@dataclass(frozen=True)
class _Vocabulary:
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


_VOCABULARIES: Final = (
    _Vocabulary(
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
    _Vocabulary(
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
    _Vocabulary(
        rule="known_bounce_types",
        table="email_events",
        column="bounce_type",
        words=("hard", "soft"),
        way_out="they may be hard bounces; let the loader that filled the table map them",
        event_type="bounce",
        is_normalised=True,
    ),
    _Vocabulary(
        rule="known_order_statuses",
        table="orders",
        column="status",
        words=("placed", "paid", "cancelled", "refunded"),
        way_out="these versions count as no order; map them in the source",
    ),
    _Vocabulary(
        rule="known_consent_statuses",
        table="consents",
        column="status",
        words=("granted", "withdrawn"),
        way_out="they may be withdrawals; let the loader that filled the table map them",
    ),
    _Vocabulary(
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

Columns = Mapping[str, Mapping[str, str]]


def judge(
    connection: duckdb.DuckDBPyConnection,
    *,
    as_of: datetime,
    judged_at: datetime,
    settings: DoorSettings,
) -> Verdict:
    """Judge the raw tables after a load.

    `judged_at` is a time after the load; the next judgement counts rejected rows from the last
    one that passed, so a passed verdict has to be recorded. Reads only. Raises SettingsError when
    a `reviewed_until` lies after `judged_at`, GateError when a rule could not be judged.
    """
    as_of, judged_at = to_utc(as_of), to_utc(judged_at)
    columns = read_columns(connection)
    rules = settings.after_loading
    measures = [
        *_required_tables(connection, columns, rules),
        *_rejected_rows(connection, columns, settings, judged_at),
        *_rejected_files(connection, columns, settings, judged_at),
        *_freshness(connection, columns, rules, as_of),
        *_known_values(connection, columns, rules),
        *_required_values(connection, columns, rules),
        *_column_types(columns, rules),
    ]
    return gate.judge(DOOR, measures, as_of=as_of, judged_at=judged_at)


def _required_tables(
    connection: duckdb.DuckDBPyConnection, columns: Columns, rules: AfterLoading
) -> Iterator[Measure]:
    filled = [table for table in _FILLING_TABLES if _has_rows(connection, columns, table)]
    fact = (
        f"rows are in {' and '.join(f'raw.{table}' for table in filled)}"
        if filled
        else "nothing was loaded: raw.email_events and raw.contacts hold no row"
    )
    for severity, bound in rules.required_tables.bounds():
        yield Measure(
            rule="required_tables",
            table=", ".join(_FILLING_TABLES),
            severity=severity,
            observed=float(len(filled)),
            at_least=float(bound.tables_at_least),
            fact=fact,
            way_out=(
                "put files into the landing folder's email_events or contacts, or look at "
                "raw.loaded_files for files that were rejected"
            ),
        )


def _rejected_rows(
    connection: duckdb.DuckDBPyConnection,
    columns: Columns,
    settings: DoorSettings,
    judged_at: datetime,
) -> Iterator[Measure]:
    rule = settings.after_loading.rejected_rows
    since = reviewed_until(
        rule, f"{DOOR}.rejected_rows", judged_at=judged_at, source=settings.source
    )
    if "door_verdicts" in columns:
        since = max(since, verdicts.last_passed_at(connection, DOOR) or since)
    loads = _loads(connection, columns, since)
    for table in EXPECTED:
        loaded, rejected, newest_at = loads.get(table, (0, 0, since))
        share = rejected / (loaded + rejected) if rejected else 0.0
        fact = (
            f"{rejected} of {loaded + rejected} rows loaded into raw.{table} since this door last "
            f"passed were rejected ({share:.1%}"
        )
        first = _first_rejected_row(connection, columns, table, since) if rejected else ""
        for severity, bound in rule.bounds():
            yield Measure(
                rule="rejected_rows",
                table=table,
                severity=severity,
                observed=share,
                at_most=bound.share_at_most,
                is_judged=rejected >= bound.rows_at_least,
                fact=f"{fact}, allowed are {bound.share_at_most:.1%}){first}",
                way_out=(
                    "look at raw.rejected_rows, mend the source and load the mended rows as a "
                    "new file, or, once they have been looked at, set "
                    f"{DOOR}.rejected_rows.reviewed_until in {settings.source} to "
                    f"{newest_at.isoformat()}Z"
                ),
            )


def _loads(
    connection: duckdb.DuckDBPyConnection, columns: Columns, since: datetime
) -> dict[str, tuple[int, int, datetime]]:
    """Return per table the rows loaded, the rows rejected and the time of the newest file."""
    if "loaded_files" not in columns:
        return {}
    rows = connection.execute(
        """
        select
            table_name,
            sum(rows_loaded)::bigint,
            sum(rows_rejected)::bigint,
            max(loaded_at)
        from raw.loaded_files
        where loaded_at > $since
        group by table_name
        """,
        {"since": since},
    ).fetchall()
    return {table: (loaded, rejected, newest_at) for table, loaded, rejected, newest_at in rows}


def _first_rejected_row(
    connection: duckdb.DuckDBPyConnection, columns: Columns, table: str, since: datetime
) -> str:
    """Return a clause that names the first rejected row of a table, its text left out."""
    if "rejected_rows" not in columns:
        return ""
    first = connection.execute(
        """
        select path, row_number
        from raw.rejected_rows
        where table_name = $table and loaded_at > $since
        order by loaded_at, path, row_number
        limit 1
        """,
        {"table": table, "since": since},
    ).fetchone()
    return f", the first is row {first[1]} of {first[0]}" if first else ""


def _rejected_files(
    connection: duckdb.DuckDBPyConnection,
    columns: Columns,
    settings: DoorSettings,
    judged_at: datetime,
) -> Iterator[Measure]:
    rule = settings.after_loading.rejected_files
    since = reviewed_until(
        rule, f"{DOOR}.rejected_files", judged_at=judged_at, source=settings.source
    )
    found: dict[str, tuple[int, str, str]] = {}
    if "loaded_files" in columns:
        # Of a file that is gone, the last door alone speaks on: opt-outs may have been in it.
        is_there = "gone_at is null" if "gone_at" in columns["loaded_files"] else "true"
        rows = connection.execute(
            f"""
            select table_name, count(*), arg_min(path, path), arg_min(status, path)
            from raw.loaded_files
            where
                (status = 'changed' or (status = 'rejected' and loaded_at > $since))
                and {is_there}
            group by table_name
            """,
            {"since": since},
        ).fetchall()
        found = {table: (files, path, status) for table, files, path, status in rows}
    for table in EXPECTED:
        files, path, status = found.get(table, (0, "", ""))
        what = "was rejected whole" if status == "rejected" else "changed after it was loaded"
        fact = (
            f"{_count(files, 'file')} of raw.{table} not loaded, the first, {path}, {what}"
            if files
            else f"every file of raw.{table} was loaded"
        )
        for severity, bound in rule.bounds():
            yield Measure(
                rule="rejected_files",
                table=table,
                severity=severity,
                observed=float(files),
                at_most=float(bound.files_at_most),
                fact=fact,
                way_out=(
                    "raw.loaded_files has each with its reason; mend it, or, once a rejected one "
                    "has been looked at, set "
                    f"{DOOR}.rejected_files.reviewed_until in {settings.source}"
                ),
            )


def _freshness(
    connection: duckdb.DuckDBPyConnection, columns: Columns, rules: AfterLoading, as_of: datetime
) -> Iterator[Measure]:
    tables = {t: c for t, c in _EVENT_TIMES.items() if has_usable(columns, t, c)}
    newest: datetime | None = None
    if tables:
        times = " union all ".join(
            f'select max("{column}") as newest from raw."{table}" where "{column}" <= $as_of'
            for table, column in tables.items()
        )
        found = connection.execute(
            f"select max(newest)::timestamp from ({times}) as times", {"as_of": as_of}
        ).fetchone()
        newest = found[0] if found else None
    days = None if newest is None else (as_of - newest).total_seconds() / 86_400
    for severity, bound in rules.freshness.bounds():
        yield Measure(
            rule="freshness",
            table=", ".join(_EVENT_TIMES),
            severity=severity,
            observed=days,
            at_most=bound.days_at_most,
            fact=(
                f"no event lies at or before {as_of:%Y-%m-%d %H:%M}, so none can be too old"
                if newest is None
                else (
                    f"the newest event is of {newest:%Y-%m-%d %H:%M}, {days:.1f} days before the "
                    f"as-of time {as_of:%Y-%m-%d %H:%M} (allowed are {bound.days_at_most:g})"
                )
            ),
            way_out="load newer files, or give the as-of time that the data is meant for",
        )


def _known_values(
    connection: duckdb.DuckDBPyConnection, columns: Columns, rules: AfterLoading
) -> Iterator[Measure]:
    """Measure the columns of few words; that one is empty where it must not be is another rule."""
    bounds_of: Mapping[str, Rule[ShareBound] | Rule[RowsBound]] = {
        "known_web_event_types": rules.known_web_event_types,
        "known_email_event_types": rules.known_email_event_types,
        "known_bounce_types": rules.known_bounce_types,
        "known_order_statuses": rules.known_order_statuses,
        "known_consent_statuses": rules.known_consent_statuses,
        "known_consent_purposes": rules.known_consent_purposes,
    }
    for vocabulary in _VOCABULARIES:
        total, unknown, example = _unknown_words(connection, columns, vocabulary)
        share = unknown / total if total else 0.0
        fact = (
            f"{unknown} of {total} rows in raw.{vocabulary.table} ({share:.1%}) have an unknown "
            f"{vocabulary.column}{example}"
            if unknown
            else f"every {vocabulary.column} in raw.{vocabulary.table} is known"
        )
        for severity, bound in bounds_of[vocabulary.rule].bounds():
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


def _unknown_words(
    connection: duckdb.DuckDBPyConnection, columns: Columns, vocabulary: _Vocabulary
) -> tuple[int, int, str]:
    """Return the number of rows, of those with an unknown word, and a clause with the commonest."""
    needed = {vocabulary.column} | ({"event_type"} if vocabulary.event_type else set())
    if not has_usable(columns, vocabulary.table, *needed):
        return 0, 0, ""
    only = "where event_type = $event_type" if vocabulary.event_type else ""
    word = "lower(trim(word))" if vocabulary.is_normalised else "word"
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
                word is not null and not list_contains($words, {word}) as is_unknown
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


def _required_values(
    connection: duckdb.DuckDBPyConnection, columns: Columns, rules: AfterLoading
) -> Iterator[Measure]:
    for table, required in REQUIRED.items():
        nulls = _null_counts(connection, columns, table, required)
        listed = ", ".join(f"{rows} without {names}" for names, rows in nulls.items())
        for severity, bound in rules.required_values.bounds():
            yield Measure(
                rule="required_values",
                table=table,
                severity=severity,
                observed=float(sum(nulls.values())),
                at_most=float(bound.rows_at_most),
                fact=(
                    f"rows in raw.{table} lack what the contract requires: {listed}"
                    if nulls
                    else f"every row in raw.{table} has what the contract requires"
                ),
                way_out="let the loader that filled the table fill them or leave the rows out",
            )


def _null_counts(
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
    # statistics hold no null, so where nothing is missing nothing is read.
    counts = " union all ".join(
        f'select {position} as position, count(*) as row_count from raw."{table}" where '
        + " and ".join(f'"{name}" is null' for name in names)
        for position, names in enumerate(readable)
    )
    rows = connection.execute(
        f"select position, row_count from ({counts}) as counts where row_count > 0 order by 1"
    ).fetchall()
    return {" or ".join(readable[position]): row_count for position, row_count in rows}


def _column_types(columns: Columns, rules: AfterLoading) -> Iterator[Measure]:
    for table, expected in EXPECTED.items():
        stored = columns.get(table)
        # A table that is not there at all is an empty one.
        wrong = [] if stored is None else _wrong_columns(expected, stored)
        for severity, bound in rules.column_types.bounds():
            yield Measure(
                rule="column_types",
                table=table,
                severity=severity,
                observed=float(len(wrong)),
                at_most=float(bound.columns_at_most),
                fact=(
                    f"raw.{table} differs from the contract in {_count(len(wrong), 'column')}: "
                    + ", ".join(wrong)
                    if wrong
                    else f"the columns of raw.{table} are those of the contract"
                ),
                way_out="let the loader that filled the table make them as the contract has them",
            )


def _wrong_columns(expected: Mapping[str, Type], stored: Mapping[str, str]) -> list[str]:
    return [
        f"{name} is missing" if name not in stored else f"{name} is {stored[name]}, not {type_}"
        for name, type_ in expected.items()
        if name not in stored or not is_stored_as(type_, stored[name])
    ]


def _has_rows(connection: duckdb.DuckDBPyConnection, columns: Columns, table: str) -> bool:
    if table not in columns:
        return False
    found = connection.execute(f'select exists (select 1 from raw."{table}")').fetchone()
    return bool(found and found[0])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
