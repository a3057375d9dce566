"""Dagster's history of runs: where it is kept, and how fast."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import sqlalchemy
from dagster._core.instance.ref import InstanceRef

from orchestration.resources import dagster_home

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


def dagster_instance() -> dg.DagsterInstance:
    """Open Dagster's own store for a run of the command line; `make ui` shows the same."""
    home = dagster_home()
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(_SETTINGS, encoding="utf-8")
    return dg.DagsterInstance.from_ref(
        InstanceRef.from_dir(str(home), overrides=_OF_THE_COMMAND_LINE)
    )


@contextmanager
def quick_history() -> Iterator[None]:
    """Let Dagster write its history without waiting for the disk at each of its small steps.

    Dagster opens and closes its SQLite files for every event of a run, and each time the disk is
    waited for, twice. With one connection kept open, and commits that only the next checkpoint
    brings to the disk, that goes away; a process that is killed loses nothing all the same.
    """
    kept: dict[str, sqlite3.Connection] = {}

    def hasten(connection: object, _: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        connection.execute("pragma synchronous = normal")
        (_, _, file), *_ = connection.execute("pragma database_list").fetchall()
        if not file:
            return
        if file not in kept:
            kept[file] = sqlite3.connect(file, check_same_thread=False)
        # Read each time: a new file gets its write-ahead log, which is to stay, only later.
        kept[file].execute("select count(*) from sqlite_master").fetchall()

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", hasten)
    try:
        yield
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", hasten)
        for connection in kept.values():
            connection.close()
