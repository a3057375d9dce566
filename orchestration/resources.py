"""Where things are, who may write, which secrets hold: all that is known of the environment."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import dagster as dg
import duckdb
from pydantic import Field, PrivateAttr

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
KEY_FILE = DATA / "mailmart.key"
DESTINATIONS_FILE = ROOT / "destinations.yml"

# Exit statuses of the command line; wrong usage is 2.
DONE, FAILED, STOPPED = 0, 1, 3

_DAGSTER_SETTINGS = """\
# One run at a time: the warehouse has one writer.
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config: {max_concurrent_runs: 1}
telemetry: {enabled: false}
"""


class WarehouseError(RuntimeError):
    """The warehouse cannot be opened; the message says why and what to do."""


def landing_folder() -> Path:
    """Return the landing folder: `MAILMART_LANDING`, else `data/landing`."""
    return Path(os.environ.get("MAILMART_LANDING") or DATA / "landing")


def warehouse_file() -> Path:
    """Return the warehouse: `MAILMART_WAREHOUSE`, else `data/warehouse.duckdb`."""
    return Path(os.environ.get("MAILMART_WAREHOUSE") or DATA / "warehouse.duckdb")


def outbox_folder() -> Path:
    """Return the outbox of the file destination: `MAILMART_OUTBOX`, else `data/outbox`."""
    return Path(os.environ.get("MAILMART_OUTBOX") or DATA / "outbox")


def as_of_setting() -> str | None:
    """Return `MAILMART_AS_OF`, or None for the start of each run."""
    return os.environ.get("MAILMART_AS_OF") or None


def parse_instant(text: str) -> datetime:
    """Return an ISO 8601 text as a naive UTC datetime; without an offset it is UTC.

    Raises `ValueError` with a sentence for people.
    """
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is no time; write it as ISO 8601, for example 2026-01-31T06:00:00Z"
        ) from None
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant


def models_folder(warehouse: Path) -> Path:
    """Return where the models trained on a warehouse are kept: beside it, as they know no other."""
    return warehouse.with_suffix(".models")


def is_writable(folder: Path) -> bool:
    """Tell whether this process may make files in a folder."""
    return os.access(folder, os.W_OK)


def profile_key() -> str:
    """Return the secret key of the profile ids.

    It comes from `MAILMART_PROFILE_KEY`, else from the key file, which is made on first use and
    must be kept as long as the warehouse: another key would make other ids.
    """
    return os.environ.get("MAILMART_PROFILE_KEY") or _key_from_file(KEY_FILE)


def has_profile_key() -> bool:
    """Tell whether there is a key, without making one."""
    return bool(os.environ.get("MAILMART_PROFILE_KEY")) or KEY_FILE.exists()


def _key_from_file(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
        try:
            # A link fails where the name is taken: of two first runs only one makes the key.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_text(encoding="ascii").strip()
    if not key:
        raise ValueError(
            f"the key file {path} is empty; put the key back or set MAILMART_PROFILE_KEY"
        )
    return key


def code_version() -> str:
    """Return the version of mailmart, with the commit where it runs from a checkout."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return version("mailmart")
    commit = subprocess.run(  # noqa: S603 - the program found on PATH, fixed arguments
        [git, "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return f"{version('mailmart')}+{commit}" if commit else version("mailmart")


def dagster_instance() -> dg.DagsterInstance:
    """Open Dagster's own store, `DAGSTER_HOME`, else `data/dagster`; `make ui` shows the same."""
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(DATA / "dagster"))).absolute()
    os.environ["DAGSTER_HOME"] = str(home)
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(_DAGSTER_SETTINGS, encoding="utf-8")
    return dg.DagsterInstance.get()


@contextmanager
def log(name: str) -> Iterator[TextIO]:
    """Open the log of the newest run of a job, `data/logs/<name>.log`."""
    folder = DATA / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.log").open("w", encoding="utf-8") as file:
        yield file


@contextmanager
def writing(warehouse: Path) -> Iterator[None]:
    """Hold the one right to write to a warehouse; the operating system frees it if we die.

    Raises `WarehouseError` where another process holds it, with its number.
    """
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    with warehouse.with_name(warehouse.name + ".lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = json.loads(lock.read() or "{}")
            raise WarehouseError(
                f"another run (process {holder.get('process', 'unknown')}, since "
                f"{holder.get('since', 'unknown')}) is writing to {warehouse}; wait until it is "
                "done, or name another warehouse with --warehouse"
            ) from None
        lock.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        lock.write(json.dumps({"process": os.getpid(), "since": since}))
        lock.flush()
        yield


def open_warehouse(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a warehouse; raises `WarehouseError` where that cannot be done, with the way out."""
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except duckdb.SerializationException as error:
        raise WarehouseError(
            f"{path} was written by another version of DuckDB; open it with that one and export "
            f"it, or name another file with --warehouse ({_first_line(error)})"
        ) from error
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            reason = "another program has it open; close it first"
        elif "not a valid" in str(error).lower():
            reason = "it is no DuckDB file; name another with --warehouse"
        else:
            reason = _first_line(error)
        raise WarehouseError(f"cannot open the warehouse {path}: {reason}") from error
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


class Warehouse(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The warehouse of a run, and what the run is about. One run at a time holds it."""

    path: str = Field(default_factory=lambda: str(warehouse_file()), description="DuckDB file")
    landing: str = Field(
        default_factory=lambda: str(landing_folder()), description="landing folder"
    )
    outbox: str = Field(default_factory=lambda: str(outbox_folder()), description="outbox folder")
    as_of: str | None = Field(
        default_factory=as_of_setting,
        description="the instant of which the marts speak, ISO 8601; none: the start of the run",
    )
    full_refresh: bool = Field(default=False, description="build all tables from nothing")

    _started_at: datetime = PrivateAttr()
    _as_of: datetime = PrivateAttr()
    _run_id: str = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Warehouse]:
        """Hold the warehouse for the run, and tell dbt, a process of its own, what it is about."""
        run = context.run
        record = (
            context.instance.get_run_record_by_id(run.run_id) if run and context.instance else None
        )
        started_at = record.create_timestamp if record else datetime.now(UTC)
        self._started_at = started_at.astimezone(UTC).replace(tzinfo=None)
        self._as_of = parse_instant(self.as_of) if self.as_of else self._started_at
        self._run_id = run.run_id if run else "none"
        with writing(self.file):
            os.environ["MAILMART_WAREHOUSE"] = str(self.file)
            os.environ["MAILMART_AS_OF"] = self._as_of.isoformat()
            os.environ["MAILMART_CODE_VERSION"] = code_version()
            yield self

    @property
    def file(self) -> Path:
        """The DuckDB file."""
        return Path(self.path).absolute()

    @property
    def models(self) -> Path:
        """Where the models trained on this warehouse are kept, beside it."""
        return models_folder(self.file)

    @property
    def started_at(self) -> datetime:
        """When the run began, naive UTC."""
        return self._started_at

    @property
    def instant(self) -> datetime:
        """The `as_of` of the run, naive UTC."""
        return self._as_of

    @property
    def run_id(self) -> str:
        """Dagster's id of the run."""
        return self._run_id

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the warehouse for one step; dbt needs it closed again."""
        connection = open_warehouse(self.file)
        try:
            yield connection
        finally:
            connection.close()
