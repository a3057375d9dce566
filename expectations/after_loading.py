"""Door one, behind the loader: is what was loaded a batch that the models can stand on?

Every figure is measured in the database. Where the loader's ledger has it, the ledger is asked,
not the table; what has to look at a table reads one column of it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import duckdb

from expectations import gate, raw_values, verdicts, volume
from expectations.gate import Measure, Verdict
from expectations.raw_tables import EXPECTED, Columns, has_usable, read_columns
from expectations.raw_values import WordRule
from expectations.settings import (
    AfterLoading,
    DoorSettings,
    get_reviewed_until,
    refuse_future_reviews,
    to_utc,
)

DOOR: Final = "after_loading"

_FILLING_TABLES: Final = ("email_events", "contacts")
_EVENT_TIMES: Final = {
    "email_events": "occurred_at",
    "web_events": "occurred_at",
    "orders": "ordered_at",
}


def judge(
    connection: duckdb.DuckDBPyConnection,
    *,
    as_of: datetime,
    judged_at: datetime,
    settings: DoorSettings,
) -> Verdict:
    """Judge the raw tables after a load.

    `judged_at` is a time after the load; the next judgement counts rows from the last one that
    passed, and compares them with the figures of those that did, so a verdict has to be recorded.
    Reads only. Raises SettingsError when
    a `reviewed_until` lies after `judged_at`, GateError when a rule could not be judged.
    """
    as_of, judged_at = to_utc(as_of), to_utc(judged_at)
    refuse_future_reviews(settings, judged_at)
    columns = read_columns(connection)
    rules = settings.after_loading
    volume_measures, figures = volume.measure(
        connection, columns, settings, DOOR, as_of=as_of, judged_at=judged_at
    )
    measures = [
        *_measure_required_tables(connection, columns, rules),
        *_measure_rejected_rows(connection, columns, settings),
        *_measure_rejected_files(connection, columns, settings),
        *volume_measures,
        *_measure_freshness(connection, columns, rules, as_of),
        *raw_values.measure_words(connection, columns, _get_word_rules(rules)),
        *raw_values.measure_gaps(connection, columns, EXPECTED, rules.required_values),
        *raw_values.measure_types(columns, EXPECTED, rules.column_types),
    ]
    return gate.judge(DOOR, measures, as_of=as_of, judged_at=judged_at, figures=figures)


def _measure_required_tables(
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


def _measure_rejected_rows(
    connection: duckdb.DuckDBPyConnection, columns: Columns, settings: DoorSettings
) -> Iterator[Measure]:
    rule = settings.after_loading.rejected_rows
    since = get_reviewed_until(rule)
    if "door_verdicts" in columns:
        since = max(since, verdicts.read_last_passed_at(connection, DOOR) or since)
    loads = _read_loads(connection, columns, since)
    for table in EXPECTED:
        loaded, rejected, newest_at = loads.get(table, (0, 0, since))
        share = rejected / (loaded + rejected) if rejected else 0.0
        fact = (
            f"{rejected} of {loaded + rejected} rows loaded into raw.{table} since this door last "
            f"passed were rejected ({share:.1%}"
        )
        first = _find_first_rejected_row(connection, columns, table, since) if rejected else ""
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


def _read_loads(
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


def _find_first_rejected_row(
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


def _measure_rejected_files(
    connection: duckdb.DuckDBPyConnection, columns: Columns, settings: DoorSettings
) -> Iterator[Measure]:
    rule = settings.after_loading.rejected_files
    since = get_reviewed_until(rule)
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


def _measure_freshness(
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


def _get_word_rules(rules: AfterLoading) -> Mapping[str, WordRule]:
    return {
        "known_web_event_types": rules.known_web_event_types,
        "known_email_event_types": rules.known_email_event_types,
        "known_bounce_types": rules.known_bounce_types,
        "known_order_statuses": rules.known_order_statuses,
        "known_consent_statuses": rules.known_consent_statuses,
        "known_consent_purposes": rules.known_consent_purposes,
    }


def _has_rows(connection: duckdb.DuckDBPyConnection, columns: Columns, table: str) -> bool:
    if table not in columns:
        return False
    found = connection.execute(f'select exists (select 1 from raw."{table}")').fetchone()
    return bool(found and found[0])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
