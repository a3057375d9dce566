"""Where it is measured: a copy of the project that nobody else uses, and a simulated shop in it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.timing import Timing, time_command
from simulation.shop import SimulationSummary, simulate

# Hears what is being done.
Tell = Callable[[str], None]

ROOT = Path(__file__).resolve().parents[1]
# Where pip put the programs of this environment.
PROGRAMS = Path(sys.executable).parent

DAYS = 400
SEED = 7
# Enough people to tell how many events a person has; the shop is then made to size.
PILOT_PROFILES = 200
# The smaller warehouse, on which the command's own costs show.
TINY_PROFILES, TINY_DAYS = 50, 60

_NOT_COPIED = shutil.ignore_patterns("__pycache__", ".*", "data", "logs", "target", "tests")
_PROFILE_KEY = "a key for benchmarks"


@dataclass(frozen=True)
class Checkout:
    """A copy of the project: its settings, logs and history of runs are nobody else's."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Checkout:
        """Copy the project as it is at this moment."""
        shutil.copytree(ROOT, root, ignore=_NOT_COPIED)
        (root / "data").mkdir()
        return cls(root)

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps the history of the runs of this copy."""
        return self.root / "data" / "dagster"

    def time(self, program: str, *arguments: str | Path, **settings: str) -> Timing:
        """Run a program of the environment on the code of this copy and time it."""
        return time_command(
            [PROGRAMS / program, *arguments],
            cwd=self.root,
            settings={
                "PYTHONPATH": str(self.root),
                "DAGSTER_HOME": str(self.dagster_home),
                "MAILMART_PROFILE_KEY": _PROFILE_KEY,
                **settings,
            },
            log=self.root / "data" / f"{program}.log",
        )


@dataclass(frozen=True)
class Shop:
    """A simulated shop: its landing folder, and the warehouse that is made of it."""

    checkout: Checkout
    folder: Path
    summary: SimulationSummary

    @classmethod
    def make(cls, checkout: Checkout, folder: Path, profiles: int, days: int) -> Shop:
        """Simulate so many people over so many days."""
        return cls(checkout, folder, simulate(profiles, days, SEED, folder))

    @property
    def landing(self) -> Path:
        """The files of the shop."""
        return self.folder / "landing"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file; a run makes it."""
        return self.folder / "warehouse.duckdb"

    @property
    def as_of(self) -> datetime:
        """The instant at which the simulated time ends, naive UTC."""
        return self.summary.as_of.replace(tzinfo=None)

    def run(self, warehouse: Path | None = None, as_of: datetime | None = None) -> Timing:
        """Do the main job once, as a person would, and time it.

        Unless told otherwise, it is about the shop's own warehouse at the end of its time.
        """
        warehouse, as_of = warehouse or self.warehouse, as_of or self.as_of
        return self.checkout.time(
            "mailmart",
            *("run", "--landing", self.landing, "--warehouse", warehouse),
            *("--outbox", name_outbox(warehouse)),
            *("--as-of", f"{as_of.isoformat()}Z"),
        )


def name_outbox(warehouse: Path) -> Path:
    """Return the folder where runs on a warehouse put what they deliver."""
    return warehouse.with_name(f"{warehouse.stem}.outbox")


def find_profiles(email_events: int, folder: Path) -> int:
    """Return how many people have about so many email events, by a small shop in `folder`."""
    pilot = simulate(PILOT_PROFILES, DAYS, SEED, folder)
    shutil.rmtree(folder)
    return max(1, round(email_events * PILOT_PROFILES / pilot.rows["email_events"]))
