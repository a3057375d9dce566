"""Dagster's history of runs: its files are written to without waiting for the disk each time."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import dagster as dg
import sqlalchemy
from sqlalchemy.pool import NullPool

from orchestration.history import keep_files_open, name_process, settle_killed_runs


@dg.job
def nothing() -> None:
    """Do nothing."""


def write(file: Path, statement: str) -> None:
    """Write into a file as Dagster does: with a connection for one statement."""
    engine = sqlalchemy.create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("pragma journal_mode = wal"))
        connection.execute(sqlalchemy.text(statement))


def test_a_file_stays_open_between_events_and_is_whole_at_the_end(tmp_path: Path) -> None:
    file, journal = tmp_path / "events.db", tmp_path / "events.db-wal"

    with keep_files_open():
        write(file, "create table events (name text)")
        write(file, "insert into events values ('started')")
        # SQLite removes it where the last connection to the file closes.
        assert journal.exists()

    assert not journal.exists()
    write(file, "insert into events values ('ended')")
    assert not journal.exists()
    with sqlalchemy.create_engine(f"sqlite:///{file}").begin() as connection:
        rows = connection.execute(sqlalchemy.text("select name from events")).fetchall()
    assert [name for (name,) in rows] == ["started", "ended"]


def test_a_commit_waits_for_the_disk_again_once_the_run_is_over(tmp_path: Path) -> None:
    def ask() -> object:
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'events.db'}", poolclass=NullPool)
        with engine.begin() as connection:
            return connection.execute(sqlalchemy.text("pragma synchronous")).scalar()

    with keep_files_open():
        during = ask()

    # 1 is normal, 2 is full: https://sqlite.org/pragma.html#pragma_synchronous
    assert (during, ask()) == (1, 2)


def test_a_run_whose_process_was_killed_is_told_as_failed_and_one_that_lives_is_not() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        alive, killed, foreign = (
            instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED).run_id
            for job in (nothing, nothing, nothing)
        )
        name_process(instance, alive)
        # A number that was a process and is none any more.
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        instance.add_run_tags(killed, {"mailmart/process": f"{platform.node()}:{gone.pid}"})
        instance.add_run_tags(foreign, {"mailmart/process": f"another-machine:{gone.pid}"})

        assert settle_killed_runs(instance) == [killed]

        assert {run.run_id: run.status for run in instance.get_runs()} == {
            alive: dg.DagsterRunStatus.STARTED,
            killed: dg.DagsterRunStatus.FAILURE,
            foreign: dg.DagsterRunStatus.STARTED,
        }
