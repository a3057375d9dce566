"""The dbt project as dbt has read it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from orchestration.progress import Report, keep_silent
from orchestration.resources import DBT, ROOT

MANIFEST = ROOT / "target" / "manifest.json"

# Of what the manifest was made.
READ = MANIFEST.with_name("manifest.read")


class ProjectError(RuntimeError):
    """The dbt project cannot be read; the message is dbt's."""


def read_project(report: Report = keep_silent) -> Path:
    """Return dbt's manifest, parsed anew where it is not that of the project as it is now.

    Raises `ProjectError` where dbt cannot read the project.
    """
    if not MANIFEST.exists() or not READ.exists() or READ.read_text() != _state():
        report("reading the dbt project", 0, 1)
        # A process of its own: dbt changes the loggers of the one that it lives in.
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
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if parsed.returncode:
            raise ProjectError(f"dbt cannot read the project: {parsed.stdout or parsed.stderr}")
        READ.write_text(_state())
        report("reading the dbt project", 1, 1)
    return MANIFEST


def _state() -> str:
    """Return a text that changes with every file of the dbt project, and with the manifest."""
    sources = [ROOT / "dbt_project.yml", ROOT / "profiles.yml"]
    sources += sorted(path for path in (ROOT / "dbt_project").rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in sources:
        # Times lie: a file that is copied may be newer than the manifest and look older.
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode())
        digest.update(content)
    return f"{digest.hexdigest()} {MANIFEST.stat().st_mtime_ns}"
