"""Dagster's history of runs: where it is kept, and what is said where it cannot be."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import (
    DagsterSqliteStorage,
    _event_logs_directory,
    _runs_directory,
)
from dagster._serdes import ConfigurableClassData

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
        ref = InstanceRef.from_dir(str(home), overrides=_OF_THE_COMMAND_LINE)
        with dg.DagsterInstance.from_ref(keep_files_open(ref)) as instance:
            yield instance
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


def keep_files_open(ref: InstanceRef) -> InstanceRef:
    """Return a store whose SQLite files stay open until it is disposed of; others are as they are.

    Dagster makes an engine and a connection for each of thousands of statements, and when the last
    connection to a file closes, SQLite brings the whole file to the disk: a good part of a small
    run. Here a commit does not wait for the disk either: after a loss of power the last events may
    be missing, and the file is sound (https://sqlite.org/wal.html).
    """
    storage = ref.storage_data
    if storage is None or storage.class_name != DagsterSqliteStorage.__name__:
        return ref
    held = storage._replace(module_name=__name__, class_name=OpenStorage.__name__)
    return ref._replace(storage_data=held)


def _open(conn_string: str) -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine(
        conn_string, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
    )

    @sqlalchemy.event.listens_for(engine, "connect")
    def be_quick(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("pragma synchronous = normal")

    return engine


class _OpenRuns(SqliteRunStorage):
    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(conn_string, inst_data)
        self._engine = _open(conn_string)

    @contextmanager
    def connect(self) -> Iterator[sqlalchemy.Connection]:
        """Yield the connection, in a transaction."""
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the file."""
        self._engine.dispose()


class _OpenEvents(SqliteEventLogStorage):
    def __init__(self, base_dir: str) -> None:
        self._engines: dict[str, sqlalchemy.Engine] = {}
        self._tables: set[str] = set()
        super().__init__(base_dir)

    def has_table(self, table_name: str) -> bool:
        """Say whether a table is there; one that was will be, and Dagster asks for each event."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        if shard not in self._engines:
            with super()._connect(shard):
                # It makes the file where there is none.
                self._engines[shard] = _open(self.conn_string_for_shard(shard))
        with self._db_lock, self._engines[shard].begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the files."""
        super().dispose()
        for engine in self._engines.values():
            engine.dispose()


class OpenStorage(DagsterSqliteStorage):
    """Dagster's own storage in SQLite's files, with connections to them that stay open."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._run_storage = _OpenRuns.from_local(_runs_directory(base_dir))
        self._event_log_storage = _OpenEvents(_event_logs_directory(base_dir))

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> OpenStorage:
        """Return the storage that the settings describe."""
        return cls.from_local(inst_data=inst_data, **config_value)
