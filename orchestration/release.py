"""Which mailmart this is."""

from __future__ import annotations

import shutil
import subprocess
from importlib.metadata import version

from orchestration.resources import ROOT


def read_version() -> str:
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
