"""The dbt project as dbt has read it."""

from __future__ import annotations

from pathlib import Path

from orchestration.progress import report
from orchestration.resources import ROOT

MANIFEST = ROOT / "target" / "manifest.json"


class ProjectError(RuntimeError):
    """The dbt project cannot be read; the message is dbt's."""


def manifest() -> Path:
    """Return dbt's manifest, parsed anew where a file of the dbt project is newer.

    Raises `ProjectError` where dbt cannot read the project.
    """
    sources = [ROOT / "dbt_project.yml", ROOT / "profiles.yml"]
    # Folders too: theirs is the time at which a file was taken away.
    sources += (ROOT / "dbt_project").rglob("*")
    if not MANIFEST.exists() or MANIFEST.stat().st_mtime < max(p.stat().st_mtime for p in sources):
        from dbt.cli.main import dbtRunner

        report("reading the dbt project", 0, 1)
        parsed = dbtRunner().invoke(
            ["--quiet", "parse", "--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
        )
        if not parsed.success:
            raise ProjectError(f"dbt cannot read the project: {parsed.exception}")
        report("reading the dbt project", 1, 1)
    return MANIFEST
