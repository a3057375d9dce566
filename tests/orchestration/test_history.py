"""Dagster's history of runs: its files are written to without waiting for the disk each time."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import sqlalchemy
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage

from orchestration.history import keep_files_open, name_process, settle_killed_runs


@dg.job
def nothing() -> None:
    """Do nothing."""


@contextmanager
def opened(home: Path) -> Iterator[dg.DagsterInstance]:
    """Open Dagster's own files in a folder, as a run of the command line does."""
    ref = keep_files_open(InstanceRef.from_dir(str(home)))
    with dg.DagsterInstance.from_ref(ref) as instance:
        yield instance


def synchronous(connection: sqlalchemy.Connection) -> object:
    """Return 1 where a commit does not wait for the disk, and 2 where it does."""
    # https://sqlite.org/pragma.html#pragma_synchronous
    return connection.execute(sqlalchemy.text("pragma synchronous")).scalar()


def test_files_stay_open_between_events_and_are_whole_at_the_end(tmp_path: Path) -> None:
    history = tmp_path / "history"

    with opened(tmp_path) as instance:
        run = nothing.execute_in_process(instance=instance)
        # SQLite removes a journal where the last connection to its file closes.
        assert {journal.name for journal in history.rglob("*.db-wal")} == {
            "runs.db-wal",
            "index.db-wal",
            f"{run.run_id}.db-wal",
        }
        said = [event.event_type_value for event in run.all_events]

    assert [*history.rglob("*.db-wal")] == []
    # Dagster's own way of reading, which is that of its pages.
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        kept = instance.all_logs(run.run_id)
        assert [
            event.dagster_event.event_type_value for event in kept if event.dagster_event
        ] == said
        assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.SUCCESS  # type: ignore[union-attr]


def test_each_statement_of_a_file_finds_the_connection_before_it(tmp_path: Path) -> None:
    made = []
    sqlalchemy.event.listen(
        sqlalchemy.Engine, "connect", count := lambda opened, _: made.append(opened)
    )
    try:
        with opened(tmp_path) as instance:
            nothing.execute_in_process(instance=instance)
            assert isinstance(instance.event_log_storage, SqliteEventLogStorage)
            assert instance.event_log_storage.has_table("asset_keys")
            made.clear()
            instance.get_runs()
            instance.get_asset_keys()
            # Dagster asks it for each event of an asset.
            assert instance.event_log_storage.has_table("asset_keys")
            assert made == []
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", count)


def test_a_commit_waits_for_the_disk_again_once_the_run_is_over(tmp_path: Path) -> None:
    with opened(tmp_path) as instance:
        assert isinstance(instance.event_log_storage, SqliteEventLogStorage)
        with instance.event_log_storage.index_connection() as connection:
            assert synchronous(connection) == 1

    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        assert isinstance(instance.event_log_storage, SqliteEventLogStorage)
        with instance.event_log_storage.index_connection() as connection:
            assert synchronous(connection) == 2


def test_another_storage_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(
        "storage: {postgres: {postgres_url: 'postgresql://127.0.0.1/dagster'}}", encoding="utf-8"
    )
    ref = InstanceRef.from_dir(str(tmp_path))

    assert keep_files_open(ref) == ref


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
