"""Killed at any instant and started again: no change is lost, nothing acknowledged is repeated."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.reverse_etl import worker
from tests.reverse_etl.shop import Mirror

ROOT = Path(__file__).resolve().parents[2]


def start(folder: Path, days: int, mode: str, kill_at: int = 0) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", worker.__name__, str(folder), str(days), mode, str(kill_at)],
        cwd=ROOT,
    )


def delivered(folder: Path) -> Mirror:
    """Apply the outbox, in which nothing half-written may lie."""
    folders = sorted((folder / "outbox").iterdir())
    assert [path.name for path in folders if path.name.startswith(".")] == []
    mirror = Mirror()
    mirror.apply(folders)
    return mirror


def desired(day: int) -> tuple[dict[str, Any], dict[tuple[str, str], str], set[str]]:
    with duckdb.connect() as connection:
        worker.build(connection, day)
        return (
            dict(connection.execute("select profile_id, first_name from sync.profiles").fetchall()),
            {
                (segment, profile_id): attribute
                for segment, profile_id, attribute in connection.execute(
                    "select segment, profile_id, attribute from sync.segment_members"
                ).fetchall()
            },
            {
                row[0]
                for row in connection.execute("select profile_id from sync.suppressions").fetchall()
            },
        )


def assert_is_up_to_date(folder: Path, day: int) -> None:
    mirror = delivered(folder)
    profiles, members, suppressed = desired(day)
    assert {who: row["first_name"] for who, row in mirror.profiles.items()} == profiles
    assert mirror.members == members
    assert suppressed & mirror.known <= set(mirror.suppressions)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        assert connection.execute("from reverse_etl.unsettled_changes").fetchall() == []
        assert dict(
            connection.execute(
                "select outcome, count(*) from reverse_etl.receipts group by outcome"
            ).fetchall()
        ).keys() == {"delivered"}


def assert_nothing_was_repeated(folder: Path) -> None:
    """Look for rows that were no news in the outbox, and for changes acknowledged twice."""
    assert delivered(folder).repeated == 0
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        ((repeated,),) = connection.execute(
            """
            select count(*) - count(distinct (run_id, kind, segment, profile_id))
            from reverse_etl.receipts
            """
        ).fetchall()
    assert repeated == 0


# The reports of a delivery: comparing (twice), three files, and the renamed folder that nobody has
# acknowledged yet. So 6 and 12 are between the rename and the commit of the first and second.
@pytest.mark.parametrize("kill_at", [1, 3, 5, 6, 11, 12])
def test_killed_at_a_step_and_started_again(tmp_path: Path, kill_at: int) -> None:
    killed = start(tmp_path, 3, "again", kill_at)
    assert killed.wait(60) == -signal.SIGKILL
    assert start(tmp_path, 3, "again").wait(60) == 0
    assert_is_up_to_date(tmp_path, 2)
    assert_nothing_was_repeated(tmp_path)
    assert len(list((tmp_path / "outbox").iterdir())) == 3


@pytest.mark.parametrize("kill_at", [5, 6, 12])
def test_killed_at_a_step_while_the_world_moves_on(tmp_path: Path, kill_at: int) -> None:
    killed = start(tmp_path, 4, "onwards", kill_at)
    assert killed.wait(60) == -signal.SIGKILL
    assert start(tmp_path, 4, "onwards").wait(60) == 0
    assert_is_up_to_date(tmp_path, 3)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["again", "onwards"])
def test_killed_at_random_instants_in_a_loop(tmp_path: Path, mode: str) -> None:
    days, kills = 60, 0
    instants = random.Random(20261122)
    for _ in range(15):
        process = start(tmp_path, days, mode)
        try:
            assert process.wait(instants.uniform(0.3, 1.2)) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert kills >= 3
    assert start(tmp_path, days, mode).wait(300) == 0
    assert_is_up_to_date(tmp_path, days - 1)
    # Where the world moved on while nobody knew what had arrived, some things are told twice.
    if mode == "again":
        assert_nothing_was_repeated(tmp_path)
