"""Killed at any instant and started again: no change is lost, nothing acknowledged is repeated."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
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


def assert_is_up_to_date(folder: Path, day: int) -> Mirror:
    mirror = delivered(folder)
    profiles, members, suppressed = desired(day)
    assert {who: row["first_name"] for who, row in mirror.profiles.items()} == profiles
    assert mirror.members == members
    assert suppressed <= set(mirror.suppressions)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        assert connection.execute("from reverse_etl.unsettled_changes").fetchall() == []
        assert dict(
            connection.execute(
                "select outcome, count(*) from reverse_etl.receipts group by outcome"
            ).fetchall()
        ).keys() == {"delivered"}
        ((repeated,),) = connection.execute(
            """
            select count(*)
            from (
                select action, lag(action) over (
                    partition by kind, segment, profile_id order by rowid
                ) as before
                from reverse_etl.receipts
                where kind <> 'suppression'
            )
            where action = before and action in ('add', 'remove')
            """
        ).fetchall()
        assert repeated == 0
    return mirror


# The reports of a delivery: comparing (twice), three files, and the renamed folder that nobody has
# acknowledged yet. So 6 and 12 are between the rename and the commit of the first and second.
@pytest.mark.parametrize("kill_at", [1, 3, 5, 6, 11, 12])
def test_killed_at_a_step_and_started_again(tmp_path: Path, kill_at: int) -> None:
    killed = start(tmp_path, 3, "again", kill_at)
    assert killed.wait(60) == -signal.SIGKILL
    assert start(tmp_path, 3, "again").wait(60) == 0
    assert assert_is_up_to_date(tmp_path, 2).repeated == 0
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
    days, kills = 30, 0
    instants = random.Random(20261122)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        process = start(tmp_path, days, mode)
        try:
            assert process.wait(instants.uniform(0.2, 2.5)) == 0
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert kills >= 3
    mirror = assert_is_up_to_date(tmp_path, days - 1)
    if mode == "again":
        assert mirror.repeated == 0
