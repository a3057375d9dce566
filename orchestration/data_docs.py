"""Data Docs: one folder of pages per run, the newest of which is `latest`."""

from __future__ import annotations

import re
import shutil
from datetime import datetime
from pathlib import Path

from expectations import pages
from expectations.gate import Verdict

# A year of weeks, or a good month of daily runs that somebody repeats; a page is some 100 kB.
KEPT_RUNS = 52
LATEST = "latest"

_OF_A_RUN = re.compile(r"\d{8}T\d{6}Z-[\w-]+")


def keep(verdict: Verdict, folder: Path, *, started_at: datetime, run_id: str) -> Path:
    """Write the page of a verdict into its run's folder and return its path.

    `folder` has one subfolder per run, named after its start and id, of which the newest
    `KEPT_RUNS` are kept, and a link `latest` to the one that was written to last.
    """
    run = folder / name_run(started_at, run_id)
    page = pages.write(verdict, run)
    link = folder / f".{LATEST}-{run.name}"
    link.unlink(missing_ok=True)
    link.symlink_to(run.name)
    link.replace(folder / LATEST)
    prune(folder)
    return page


def name_run(started_at: datetime, run_id: str) -> str:
    """Return the name of the folder with the pages of a run."""
    return f"{started_at:%Y%m%dT%H%M%SZ}-{run_id}"


def find(folder: Path, *, started_at: datetime, run_id: str) -> dict[str, Path]:
    """Return the pages of a run by their doors."""
    return {page.stem: page for page in (folder / name_run(started_at, run_id)).glob("*.html")}


def prune(folder: Path) -> None:
    """Keep the newest `KEPT_RUNS` of the subfolders that are named after a run."""
    of_runs = sorted(
        each for each in folder.iterdir() if each.is_dir() and _OF_A_RUN.fullmatch(each.name)
    )
    for old in of_runs[:-KEPT_RUNS]:
        shutil.rmtree(old, ignore_errors=True)
