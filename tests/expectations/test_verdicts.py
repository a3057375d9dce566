"""The record of verdicts, from which a door knows what it saw last."""

from datetime import timedelta
from pathlib import Path

import duckdb

from expectations import verdicts
from expectations.gate import Finding, Verdict
from tests.expectations.world import AS_OF, TUESDAY

STOP = Finding("share", "orders", "stop", False, 0.5, 0.1, "half of it; mend it.")
WARNING = Finding("freshness", "orders", "warn", False, None, 7, "it is old.")
PASS = Finding("share", "orders", "stop", True, 0.0, 0.1, "none of it.")


def record(connection: duckdb.DuckDBPyConnection, *findings: Finding, hours: int = 0) -> None:
    judged_at = TUESDAY + timedelta(hours=hours)
    verdicts.record(connection, Verdict("a_door", findings, AS_OF, judged_at))


def test_a_verdict_is_kept_with_all_its_findings(tmp_path: Path) -> None:
    path = str(tmp_path / "warehouse.duckdb")
    with duckdb.connect(path) as connection:
        verdicts.prepare(connection)
        record(connection, STOP, WARNING)

    with duckdb.connect(path) as connection:
        verdicts.prepare(connection)
        rows = connection.execute("from raw.door_verdicts order by rule").fetchall()
    assert rows == [
        ("a_door", TUESDAY, AS_OF, "freshness", "orders", "warn", False, None, 7, "it is old."),
        (
            *("a_door", TUESDAY, AS_OF, "share", "orders", "stop", False, 0.5, 0.1),
            "half of it; mend it.",
        ),
    ]


def test_the_same_verdict_twice_is_kept_once() -> None:
    with duckdb.connect() as connection:
        verdicts.prepare(connection)
        record(connection, STOP, WARNING)
        record(connection, STOP, WARNING)

        assert connection.execute("select count(*) from raw.door_verdicts").fetchall() == [(2,)]


def test_the_last_pass_is_the_newest_verdict_without_a_stop() -> None:
    with duckdb.connect() as connection:
        verdicts.prepare(connection)
        assert verdicts.read_last_passed_at(connection, "a_door") is None

        record(connection, PASS, hours=-24)
        record(connection, PASS, WARNING, hours=0)
        record(connection, STOP, WARNING, hours=24)

        assert verdicts.read_last_passed_at(connection, "a_door") == TUESDAY
        assert verdicts.read_last_passed_at(connection, "another_door") is None
