"""What the environment sets, and what it tells dbt: nothing else of mailmart reads or writes it."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
# A folder per run with the page of what it came to, and all that a web server may show.
REPORTS = DATA / "reports"
# Among them a folder per run with what each door found.
DATA_DOCS = REPORTS / "doors"
KEY_FILE = DATA / "mailmart.key"
# Beside this Python, whether or not somebody activated the environment.
DBT = Path(sys.executable).with_name("dbt")
DESTINATIONS_FILE = ROOT / "destinations.yml"


def find_landing() -> Path:
    """Return the landing folder: `MAILMART_LANDING`, else `data/landing`."""
    return Path(os.environ.get("MAILMART_LANDING") or DATA / "landing")


def find_warehouse() -> Path:
    """Return the warehouse: `MAILMART_WAREHOUSE`, else `data/warehouse.duckdb`."""
    return Path(os.environ.get("MAILMART_WAREHOUSE") or DATA / "warehouse.duckdb")


def find_outbox() -> Path:
    """Return the outbox of the file destination: `MAILMART_OUTBOX`, else `data/outbox`."""
    return Path(os.environ.get("MAILMART_OUTBOX") or DATA / "outbox")


def read_as_of() -> str | None:
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


def refuse_future(as_of: datetime, now: datetime) -> None:
    """Raise `ValueError` with a sentence where an `as_of` lies a day or more after now; naive UTC.

    Marts of the future are delivered like any others, and every run until then would come too late.
    A day is left for clocks and zones that somebody got wrong.
    """
    if as_of > now + timedelta(days=1):
        raise ValueError(
            f"{as_of.isoformat()}Z lies in the future (it is {now.isoformat(timespec='seconds')}Z);"
            " name a time that has come, or none for now"
        )


def is_writable(folder: Path) -> bool:
    """Tell whether this process may make files in a folder."""
    return os.access(folder, os.W_OK)


def read_profile_key() -> str | None:
    """Return the secret `MAILMART_PROFILE_KEY`, or None where it is not set."""
    return os.environ.get("MAILMART_PROFILE_KEY") or None


def read_erasure_key() -> str | None:
    """Return the secret `MAILMART_ERASURE_KEY`, or None where it is not set."""
    return os.environ.get("MAILMART_ERASURE_KEY") or None


def read_failure_webhook() -> str | None:
    """Return `MAILMART_FAILURE_WEBHOOK`, where to post what failed, or None for nowhere."""
    return os.environ.get("MAILMART_FAILURE_WEBHOOK") or None


def read_secrets(names: Collection[str]) -> dict[str, str]:
    """Return what variables hold that settings name; those that hold nothing are left out."""
    return {name: value for name in sorted(names) if (value := os.environ.get(name))}


def find_page_url(page: Path) -> str:
    """Return where a browser finds a page of `REPORTS`, which shows no files to a page of Dagster.

    `MAILMART_PAGES_URL` is where somebody serves that folder; without it, what `make ui` serves.
    """
    base = os.environ.get("MAILMART_PAGES_URL") or "http://127.0.0.1:3001"
    return f"{base.rstrip('/')}/{page.relative_to(REPORTS).as_posix()}"


def tell_dbt(warehouse: Path, *, as_of: datetime, started_at: datetime, code_version: str) -> None:
    """Tell dbt what a run is about; times are naive UTC.

    A build is of the time at which its run began: it has seen what was loaded at or before it.
    """
    os.environ["MAILMART_WAREHOUSE"] = str(warehouse)
    os.environ["MAILMART_AS_OF"] = as_of.isoformat()
    os.environ["MAILMART_STARTED_AT"] = started_at.isoformat()
    os.environ["MAILMART_CODE_VERSION"] = code_version


def find_dagster_home() -> Path:
    """Return the folder of Dagster's own store: `DAGSTER_HOME`, else `data/dagster`."""
    home = Path(os.environ.get("DAGSTER_HOME") or DATA / "dagster").absolute()
    # Dagster reads it there, and takes no relative path.
    os.environ["DAGSTER_HOME"] = str(home)
    return home
