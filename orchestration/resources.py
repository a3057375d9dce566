"""Where things are, who may write, which secrets hold: all that is known of the environment."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import duckdb

from expectations.gate import without_addresses

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
KEY_FILE = DATA / "mailmart.key"
# Beside this Python, whether or not somebody activated the environment.
DBT = Path(sys.executable).with_name("dbt")
DESTINATIONS_FILE = ROOT / "destinations.yml"

# Exit statuses of the command line; wrong usage is 2. Shells know 130 as ended by Ctrl-C.
DONE, FAILED, STOPPED, INTERRUPTED = 0, 1, 3, 130

# Made when a warehouse is first written to. The fingerprint tells keys apart and gives none away.
_WAREHOUSE_SETTINGS = """
create schema if not exists raw;
create table if not exists raw.warehouse_settings (name varchar primary key, value varchar not null)
"""
_KEY_FINGERPRINT = "profile_key_fingerprint"

# The warehouses that this process has the right to write to.
_held: set[Path] = set()


class WarehouseError(RuntimeError):
    """The warehouse cannot be used; the message says why and what to do."""


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
        # An offset may carry an instant over the edges of what a datetime can hold.
        return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no time; write it as ISO 8601, for example 2026-01-31T06:00:00Z"
        ) from None


def models_folder(warehouse: Path) -> Path:
    """Return where the models trained on a warehouse are kept, `<warehouse>.models` beside it.

    The whole name counts: shop.duckdb and shop.db are two warehouses, and their models know one.
    """
    return warehouse.with_name(f"{warehouse.name}.models")


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
        raise WarehouseError(
            f"the key file {path} is empty; put the key back or set MAILMART_PROFILE_KEY"
        )
    return key


def check_profile_key(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether a warehouse was built with this profile key, False where with none yet.

    Raises `WarehouseError` where it was built with another: every id would change, and everybody
    would be sent as new.
    """
    is_there = connection.execute(
        "select 1 from information_schema.tables"
        " where table_schema = 'raw' and table_name = 'warehouse_settings'"
    ).fetchone()
    kept = (
        is_there
        and connection.execute(
            "select value from raw.warehouse_settings where name = ?", [_KEY_FINGERPRINT]
        ).fetchone()
    )
    if not kept:
        return False
    # Asked first: looking must not make a key.
    if has_profile_key() and _fingerprint(profile_key()) == kept[0]:
        return True
    raise WarehouseError(
        "the profile key is not the one that this warehouse was built with, and every profile id "
        f"would change: put the old key back (MAILMART_PROFILE_KEY, else {KEY_FILE}), or name a "
        "new warehouse with --warehouse"
    )


def keep_profile_key(connection: duckdb.DuckDBPyConnection) -> None:
    """Hold a warehouse to the profile key of its first run.

    Raises `WarehouseError` where this is another key.
    """
    if not check_profile_key(connection):
        connection.execute(_WAREHOUSE_SETTINGS)
        connection.execute(
            "insert into raw.warehouse_settings values (?, ?)",
            [_KEY_FINGERPRINT, _fingerprint(profile_key())],
        )


def _fingerprint(key: str) -> str:
    return hashlib.sha256(f"mailmart profile key\n{key}".encode()).hexdigest()


def end_with_the_run() -> None:
    """Let this process end when the run that started it dies, or it would go on writing.

    Does nothing in a process that no run has started.
    """
    run = int(os.environ.get("MAILMART_RUN_PROCESS") or os.getpid())
    if run == os.getpid():
        return

    def watch() -> None:
        while os.getppid() == run:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, name="end with the run", daemon=True).start()


def tell_dbt(warehouse: Path, *, as_of: datetime, started_at: datetime) -> None:
    """Tell dbt, a process of its own, what a run is about; times are naive UTC.

    A build is of the time at which its run began: it has seen what was loaded at or before it.
    """
    os.environ["MAILMART_WAREHOUSE"] = str(warehouse)
    os.environ["MAILMART_AS_OF"] = as_of.isoformat()
    os.environ["MAILMART_STARTED_AT"] = started_at.isoformat()
    os.environ["MAILMART_CODE_VERSION"] = code_version()
    os.environ["MAILMART_RUN_PROCESS"] = str(os.getpid())


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


def dagster_home() -> Path:
    """Return the folder of Dagster's own store: `DAGSTER_HOME`, else `data/dagster`."""
    home = Path(os.environ.get("DAGSTER_HOME") or DATA / "dagster").absolute()
    # Dagster reads it there, and takes no relative path.
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def log_file(name: str) -> Path:
    """Return the log of the newest run of a job or command, `data/logs/<name>.log`."""
    return DATA / "logs" / f"{name}.log"


@contextmanager
def log(name: str) -> Iterator[TextIO]:
    """Open the log of a run of a job, in place of the one before."""
    file = log_file(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as opened:
        yield opened


def unforeseen(name: str, error: BaseException) -> str:
    """Keep an error that nobody foresaw in a log, and return one sentence about it."""
    first = without_addresses(next(iter(str(error).splitlines()), ""))
    sentence = f"an error that was not foreseen: {type(error).__name__}: {first}"
    file = log_file(name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as opened:
            opened.write(without_addresses("".join(traceback.format_exception(error))))
    except OSError:
        return sentence
    return f"{sentence}; where it came from is in {file}"


@contextmanager
def writing(warehouse: Path) -> Iterator[None]:
    """Hold the one right to write to a warehouse; the operating system frees it if we die.

    Within it this process may ask again. Raises `WarehouseError` where another process holds it,
    with its number.
    """
    if warehouse in _held:
        yield
        return
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
        _held.add(warehouse)
        try:
            yield
        finally:
            _held.discard(warehouse)


def open_warehouse(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a warehouse; raises `WarehouseError` where that cannot be done, with the way out."""
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except duckdb.SerializationException as error:
        raise WarehouseError(
            f"{path} was written by another version of DuckDB; open it with that one and export "
            f"it, or name another file with --warehouse ({_first_line(error)})"
        ) from error
    except duckdb.Error as error:
        if "could not set lock" in str(error).lower():
            reason = "another program has it open; close it first"
        elif "not a valid" in str(error).lower():
            reason = "it is no DuckDB file; name another with --warehouse"
        else:
            reason = f"{_first_line(error)}; mend that, or name another file with --warehouse"
        raise WarehouseError(f"cannot open the warehouse {path}: {reason}") from error
    connection.execute("set TimeZone = 'UTC'")
    # DuckDB 2.0.0 often hangs when a write fails, as on a full disk, while it writes in the
    # background (duckdb/duckdb#23885).
    connection.execute("set async_threads = 0")
    return connection


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
