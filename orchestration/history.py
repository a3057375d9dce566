"""Dagster's history of runs: where it is kept, and what is said where it cannot be."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import dagster as dg
import sqlalchemy
from dagster._core.instance.ref import InstanceRef

from orchestration.resources import find_dagster_home

_SETTINGS = """\
# One run at a time: the warehouse has one writer.
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config: {max_concurrent_runs: 1}
telemetry: {enabled: false}
nux: {enabled: false}
"""


# A run of the command line has its log under data/. Dagster's copy of what is printed would cost
# two processes a step, which tell their own story when somebody presses Ctrl-C.
_OF_THE_COMMAND_LINE = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}


# Which process a run lives in, on which machine.
_PROCESS = "mailmart/process"


class HistoryError(RuntimeError):
    """Dagster's history cannot be kept; the message says where and what to do."""


def settle_home() -> Path:
    """Return Dagster's home folder, with mailmart's settings where it has none of its own yet."""
    home = find_dagster_home()
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(_SETTINGS, encoding="utf-8")
    return home


@contextmanager
def open_history() -> Iterator[dg.DagsterInstance]:
    """Yield Dagster's own store for a run of the command line; `make ui` shows the same.

    Raises `HistoryError` where its files cannot be written.
    """
    home = settle_home()
    try:
        with keep_files_open():
            yield dg.DagsterInstance.from_ref(
                InstanceRef.from_dir(str(home), overrides=_OF_THE_COMMAND_LINE)
            )
    except sqlalchemy.exc.OperationalError as error:
        raise HistoryError(
            f"Dagster's history in {home} cannot be kept ({error.orig}); make room there "
            "or set DAGSTER_HOME to another folder, and run again"
        ) from error


def name_process(instance: dg.DagsterInstance, run_id: str) -> None:
    """Write down that a run lives in this process."""
    instance.add_run_tags(run_id, {_PROCESS: f"{platform.node()}:{os.getpid()}"})


def settle_killed_runs(instance: dg.DagsterInstance) -> list[str]:
    """Tell the runs that have died with their process as failed, and return their ids.

    Nobody else does, and Dagster's queue would wait for them for ever.
    """
    unfinished = instance.get_runs(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    )
    killed = []
    for run in unfinished:
        machine, _, process = run.tags.get(_PROCESS, "").rpartition(":")
        if machine == platform.node() and not _is_alive(int(process)):
            instance.report_run_failed(run, "the process of this run was killed")
            killed.append(run.run_id)
    return killed


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def keep_files_open() -> Iterator[None]:
    """Let SQLite's files that SQLAlchemy opens within the block stay open until its end.

    Dagster opens and closes them for each event, thousands of times a run, and when the last
    connection to a file closes, SQLite brings the whole file to the disk: a third of a small run.
    Here one more connection to each is open, and a commit does not wait for the disk: after a loss
    of power the last events may be missing, and the file is sound (https://sqlite.org/wal.html).
    """
    held: dict[str, sqlite3.Connection] = {}

    def hold(opened: object, _record: object) -> None:
        if not isinstance(opened, sqlite3.Connection):
            return
        opened.execute("pragma synchronous = normal")
        ((_, _, file),) = opened.execute("pragma database_list").fetchall()
        if file not in held:
            held[file] = at_end.enter_context(
                closing(sqlite3.connect(file, check_same_thread=False))
            )
        # A connection counts once it has read; only then does it know the file's journal.
        held[file].execute("select 1 from sqlite_master").fetchall()

    with ExitStack() as at_end:
        sqlalchemy.event.listen(sqlalchemy.Engine, "connect", hold)
        at_end.callback(sqlalchemy.event.remove, sqlalchemy.Engine, "connect", hold)
        yield
