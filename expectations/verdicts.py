"""The record of verdicts, kept for good: what each door found, and the figures it found it by."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from expectations import relations
from expectations.gate import Verdict

_FINDINGS = """
    create table if not exists raw.door_verdicts (
        door varchar not null,
        judged_at timestamp not null,
        as_of timestamp not null,
        rule varchar not null,
        table_name varchar not null,
        severity varchar not null,
        passed boolean not null,
        observed double,
        threshold double,
        sentence varchar not null,
        primary key (door, judged_at, rule, table_name, severity)
    )
"""


_FIGURES = """
    create table if not exists raw.door_figures (
        door varchar not null,
        judged_at timestamp not null,
        as_of timestamp not null,
        name varchar not null,
        figure double not null,
        primary key (door, judged_at, name)
    )
"""

# When a door let a batch through.
_PASSES = """
    select judged_at, max(as_of) as as_of
    from raw.door_verdicts
    where door = $door
    group by judged_at
    having bool_and(passed or severity != 'stop')
"""


@dataclass(frozen=True)
class Pass:
    """A batch that a door let through, and the figures it had."""

    as_of: datetime
    judged_at: datetime
    figures: Mapping[str, float]


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of findings and figures where there are none."""
    connection.execute("create schema if not exists raw")
    connection.execute(_FINDINGS)
    connection.execute(_FIGURES)


def record(connection: duckdb.DuckDBPyConnection, verdict: Verdict) -> None:
    """Write down a verdict's findings and figures; the same verdict again changes nothing.

    The next judgement of the same door takes from here how far the last good one saw, and what.
    """
    # Figures first: without the findings of their judgement nobody reads them.
    connection.execute(
        """
        insert or replace into raw.door_figures
        select
            $door,
            $judged_at::timestamp,
            $as_of::timestamp,
            unnest($names::varchar[]),
            unnest($figures::double[])
        """,
        {
            "door": verdict.door,
            "judged_at": verdict.judged_at,
            "as_of": verdict.as_of,
            "names": list(verdict.figures),
            "figures": list(verdict.figures.values()),
        },
    )
    connection.execute(
        """
        insert or replace into raw.door_verdicts
        select
            $door,
            $judged_at::timestamp,
            $as_of::timestamp,
            unnest($rules::varchar[]),
            unnest($tables::varchar[]),
            unnest($severities::varchar[]),
            unnest($passed::boolean[]),
            unnest($observed::double[]),
            unnest($thresholds::double[]),
            unnest($sentences::varchar[])
        """,
        {
            "door": verdict.door,
            "judged_at": verdict.judged_at,
            "as_of": verdict.as_of,
            "rules": [finding.rule for finding in verdict.findings],
            "tables": [finding.table for finding in verdict.findings],
            "severities": [finding.severity for finding in verdict.findings],
            "passed": [finding.passed for finding in verdict.findings],
            "observed": [finding.observed for finding in verdict.findings],
            "thresholds": [finding.threshold for finding in verdict.findings],
            "sentences": [finding.sentence for finding in verdict.findings],
        },
    )


def read_last_passed_at(connection: duckdb.DuckDBPyConnection, door: str) -> datetime | None:
    """Return when a door last let a batch through; None when it never did."""
    found = connection.execute(
        f"select max(judged_at) from ({_PASSES}) as passes", {"door": door}
    ).fetchone()
    moment: datetime | None = found[0] if found else None
    return moment


def read_last_pass(
    connection: duckdb.DuckDBPyConnection, door: str, *, judged_before: datetime
) -> Pass | None:
    """Return the pass with the newest as-of time, of several the one judged last.

    None where there is no record, or none with figures.
    """
    found = _read_passes(connection, door, judged_before, "as_of desc, judged_at desc", 1)
    return found[0] if found else None


def read_passes(
    connection: duckdb.DuckDBPyConnection, door: str, *, judged_before: datetime, count: int
) -> list[Pass]:
    """Return the last passes that have figures, at most `count`, the one judged last first."""
    return _read_passes(connection, door, judged_before, "judged_at desc", count)


def _read_passes(
    connection: duckdb.DuckDBPyConnection,
    door: str,
    judged_before: datetime,
    order: str,
    count: int,
) -> list[Pass]:
    tables = ("raw.door_verdicts", "raw.door_figures")
    if not all(relations.is_there(connection, table) for table in tables):
        return []
    found = connection.execute(
        f"""
        select as_of, judged_at, map(list(name), list(figure))
        from ({_PASSES}) as passes
        inner join raw.door_figures using (judged_at, as_of)
        where door_figures.door = $door and judged_at < $judged_before
        group by as_of, judged_at
        order by {order}
        limit $count
        """,
        {"door": door, "judged_before": judged_before, "count": count},
    ).fetchall()
    return [Pass(*row) for row in found]
