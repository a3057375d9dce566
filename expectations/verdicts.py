"""The record of verdicts: one row per door, judgement, rule and table, kept for good."""

from datetime import datetime

import duckdb

from expectations.gate import Verdict

_TABLE = """
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


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table of verdicts where there is none."""
    connection.execute("create schema if not exists raw")
    connection.execute(_TABLE)


def record(connection: duckdb.DuckDBPyConnection, verdict: Verdict) -> None:
    """Write down all findings of a verdict at once; the same verdict again changes nothing.

    The next judgement of the same door takes from here how far the last good one saw.
    """
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


def last_passed_at(connection: duckdb.DuckDBPyConnection, door: str) -> datetime | None:
    """Return when a door last let a batch through; None when it never did."""
    found = connection.execute(
        """
        select max(judged_at)
        from (
            select judged_at
            from raw.door_verdicts
            where door = $door
            group by judged_at
            having bool_and(passed or severity != 'stop')
        ) as passes
        """,
        {"door": door},
    ).fetchone()
    moment: datetime | None = found[0] if found else None
    return moment
