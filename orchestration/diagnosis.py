"""What is missing or misconfigured, and how to mend it. Nothing is changed by looking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from expectations.settings import SettingsError, read_settings
from ingestion.contract import SCHEMA_VERSION
from ingestion.landing import list_files
from ml.params import ParamsError, read_params
from ml.registry import Registry, RegistryError
from orchestration import database, lock, resources, secret_key
from reverse_etl.configuration import ConfigurationError, Destinations, read_destinations

SETTINGS_ERRORS = (ConfigurationError, SettingsError, ParamsError)


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at."""

    is_well: bool
    sentence: str


def examine(warehouse: Path) -> list[Diagnosis]:
    """Look at everything that a run needs, and go on where something is ill."""
    examinations: list[Callable[[], str]] = [
        _settings_files,
        _profile_key,
        _landing,
        lambda: _warehouse(warehouse.absolute()),
        lambda: _models(warehouse.absolute()),
        _outbox,
    ]
    return [_try(examination) for examination in examinations]


def _try(examination: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(True, examination())
    except (OSError, ValueError, RuntimeError, RegistryError, duckdb.Error) as error:
        return Diagnosis(False, str(error).splitlines()[0])


def read_settings_files() -> Destinations:
    """Read every settings file, and return the destinations.

    Raises one of `SETTINGS_ERRORS`, with the file, the setting, and what is allowed there.
    """
    destinations = read_destinations(resources.DESTINATIONS_FILE)
    read_settings()
    read_params()
    return destinations


def _settings_files() -> str:
    destinations = read_settings_files()
    names = ", ".join(destinations.selected(None))
    return f"settings: destinations.yml ({names}), expectations/doors.yml, ml/params.yaml are sound"


def _profile_key() -> str:
    if secret_key.has_key():
        return "profile key: there; keep it as long as the warehouse, another makes other ids"
    return "profile key: none yet; the first run makes one under data/"


def _landing() -> str:
    folder = resources.find_landing()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"landing folder: there is no {folder}; make it, set MAILMART_LANDING, or let "
            "`mailmart simulate` write one"
        )
    listing = list_files(folder)
    if not listing.files:
        raise FileNotFoundError(
            f"landing folder: {folder} holds no data; it wants one subfolder per raw table"
        )
    tables = len({file.table for file in listing.files})
    return f"landing folder: {len(listing.files):,} files of {tables} tables in {folder}"


def _warehouse(path: Path) -> str:
    if not path.exists():
        return f"warehouse: {path} is not there yet; the first run makes it"
    with lock.hold(path), database.open_warehouse(path, read_only=True) as connection:
        secret_key.check_key(connection)
        built = connection.execute(
            "select count(*) from information_schema.tables "
            "where table_schema = 'marts' and table_name = 'fct_builds'"
        ).fetchall()[0][0]
        as_of, builds = (
            connection.execute(
                "select max_by(as_of, built_at), count(*) from marts.fct_builds"
            ).fetchall()[0]
            if built
            else (None, 0)
        )
        if not builds:
            return f"warehouse: {path} opens; nothing was built in it yet"
    return (
        f"warehouse: {path} opens (raw contract {SCHEMA_VERSION}, {builds:,} builds, "
        f"the newest as of {as_of:%Y-%m-%d %H:%M} UTC)"
    )


def _models(warehouse: Path) -> str:
    registry = Registry(database.name_models_folder(warehouse))
    found = {target: registry.champion(target) for target in ("churn", "open")}
    told = ", ".join(
        f"{target} {model.version if model else 'none yet'}" for target, model in found.items()
    )
    return f"models: {told}"


def _outbox() -> str:
    outbox = resources.find_outbox()
    existing = next(folder for folder in (outbox, *outbox.parents) if folder.exists())
    if not resources.is_writable(existing):
        raise PermissionError(f"outbox: {existing} cannot be written to; set MAILMART_OUTBOX")
    return f"outbox: {outbox} can be written to"
