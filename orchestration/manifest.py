"""The dbt project as dbt has read it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from orchestration.progress import Report, keep_silent
from orchestration.resources import DBT, ROOT

PROJECT_FILE = ROOT / "dbt_project.yml"
PROFILES_FILE = ROOT / "profiles.yml"
PATTERNS_FILE = ROOT / "dbt_project" / "seeds" / "machine_user_agents.csv"
# Apart from where a bare dbt writes, which holds no lock.
MANIFEST = ROOT / "target" / "definitions" / "manifest.json"

# Of what the manifest was made.
READ = MANIFEST.with_name("manifest.read")


class ProjectError(RuntimeError):
    """The dbt project cannot be read; the message is dbt's."""


def read_segments() -> list[dict[str, str]]:
    """Return the segments as they are written in dbt_project.yml, once dbt found them sound."""
    segments: list[dict[str, str]] = _read_yaml(PROJECT_FILE)["vars"]["segments"]
    return segments


def read_properties() -> list[str]:
    """Return the columns of `sync.profiles` that can be told of a profile, by the manifest."""
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    (columns,) = (
        node["columns"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["name"] == "sync_profiles"
    )
    return [name for name in columns if name not in ("profile_id", "email")]


def _read_yaml(path: Path) -> dict[str, Any]:
    """Return a mapping; raises `ProjectError` with the file, the line and what is wrong there."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ProjectError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ProjectError(f"{path} must be a mapping")
    return content


def read_project(report: Report = keep_silent) -> Path:
    """Return dbt's manifest, parsed anew where it is not that of the project as it is now.

    Raises `ProjectError` where dbt cannot read the project.
    """
    for path in (PROJECT_FILE, PROFILES_FILE):
        _read_yaml(path)
    MANIFEST.parent.mkdir(parents=True, exist_ok=True)
    with MANIFEST.with_name("manifest.lock").open("a") as lock:
        # The command and Dagster's services may want it at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not MANIFEST.exists() or not READ.exists() or READ.read_text() != _state():
            report("reading the dbt project", 0, 1)
            _parse()
            READ.write_text(_state())
            report("reading the dbt project", 1, 1)
    return MANIFEST


def _parse() -> None:
    # A process of its own: Dagster's services read the definitions too, and dbt would change
    # their loggers.
    parsed = subprocess.run(  # noqa: S603 - our own program, fixed arguments
        [
            DBT,
            "--quiet",
            "--no-use-colors",
            "parse",
            "--project-dir",
            ROOT,
            "--profiles-dir",
            ROOT,
            "--target-path",
            MANIFEST.parent,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if parsed.returncode:
        raise ProjectError(
            f"dbt cannot read the project: {_leave_out_noise(parsed.stdout or parsed.stderr)}"
        )


def _leave_out_noise(told: str) -> str:
    """Return what dbt says about the project without what it says about itself having failed."""
    return "\n".join(
        line
        for line in told.splitlines()
        if "uploading artifacts" not in line and "'Namespace' object" not in line
    )


def _state() -> str:
    """Return a text that changes with every file of the dbt project, and with the manifest."""
    sources = [path for path in (PROJECT_FILE, PROFILES_FILE) if path.exists()]
    sources += sorted(path for path in (ROOT / "dbt_project").rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in sources:
        # Times lie: a file that is copied may be newer than the manifest and look older.
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode())
        digest.update(content)
    return f"{digest.hexdigest()} {MANIFEST.stat().st_mtime_ns}"
