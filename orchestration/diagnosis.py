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
from orchestration import database, lock, manifest, resources, rules, schema, secret_key
from reverse_etl.configuration import (
    ConfigurationError,
    Destinations,
    read_destinations,
    refuse_missing_secrets,
)
from reverse_etl.desired_state import refuse_unknown

SETTINGS_ERRORS = (ConfigurationError, SettingsError, ParamsError)


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at."""

    is_well: bool
    sentence: str


def examine(*, warehouse: Path, landing: Path, outbox: Path) -> list[Diagnosis]:
    """Look at everything that a run needs, and go on where something is ill."""
    warehouse = warehouse.absolute()
    examinations: list[Callable[[], str]] = [
        _settings_files,
        _project,
        _patterns,
        _profile_key,
        lambda: _landing(landing),
        lambda: _warehouse(warehouse),
        lambda: _segments(warehouse),
        lambda: _models(warehouse),
        lambda: _outbox(outbox),
    ]
    return [_try(examination) for examination in examinations]


def _try(examination: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(True, examination())
    except (OSError, ValueError, RuntimeError, RegistryError, duckdb.Error) as error:
        return Diagnosis(False, " ".join(str(error).split()))


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
    selected = destinations.selected(None)
    held = resources.read_secrets(destinations.secrets(None))
    for name, settings in selected.items():
        refuse_missing_secrets(name, settings, held)
    names = ", ".join(selected)
    if not names:
        raise ConfigurationError(
            f"{resources.DESTINATIONS_FILE}: every destination is disabled, and nobody is told "
            "anything; set `enabled: true` for one"
        )
    return f"settings: destinations.yml ({names}), expectations/doors.yml, ml/params.yaml are sound"


def check_names(destinations: Destinations) -> None:
    """Refuse destinations that name a segment or a property that the dbt project does not have.

    Raises `ConfigurationError`, and `ProjectError` where dbt cannot read the project.
    """
    manifest.read_project()
    properties = manifest.read_properties()
    segments = [segment["name"] for segment in manifest.read_segments()]
    for name, settings in destinations.selected(None).items():
        refuse_unknown(name, settings, properties=properties, segments=segments)


def _project() -> str:
    manifest.read_project()
    check_names(read_destinations(resources.DESTINATIONS_FILE))
    segments = len(manifest.read_segments())
    return f"dbt project: dbt can read it; {segments:,} segments, and what destinations.yml names"


def _patterns() -> str:
    mistakes = list(rules.find_pattern_mistakes(manifest.PATTERNS_FILE))
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return "seed machine_user_agents: every pattern is a regular expression"


def _profile_key() -> str:
    if secret_key.has_key():
        secret_key.read_key()
        return "profile key: there; keep it as long as the warehouse, another makes other ids"
    return "profile key: none yet; the first run makes one under data/"


def _landing(folder: Path) -> str:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"landing folder: there is no {folder}; make it, name another with --landing or "
            "MAILMART_LANDING, or let `mailmart simulate` write one"
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
        schema.check_columns(connection)
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


def _segments(warehouse: Path) -> str:
    if not warehouse.exists():
        return "segment rules: they are tried once there is a warehouse"
    with lock.hold(warehouse), database.open_warehouse(warehouse, read_only=True) as connection:
        mistakes = list(rules.find_segment_mistakes(connection, manifest.read_segments()))
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return "segment rules: none fails on the signals of the last build"


def _models(warehouse: Path) -> str:
    registry = Registry(database.name_models_folder(warehouse))
    found = {target: registry.champion(target) for target in ("churn", "open")}
    told = ", ".join(
        f"{target} {model.version if model else 'none yet'}" for target, model in found.items()
    )
    return f"models: {told}"


def _outbox(outbox: Path) -> str:
    outbox = outbox.absolute()
    existing = next(folder for folder in (outbox, *outbox.parents) if folder.exists())
    if not resources.is_writable(existing):
        raise PermissionError(
            f"outbox: {existing} cannot be written to; name another with --outbox"
        )
    return f"outbox: {outbox} can be written to"
