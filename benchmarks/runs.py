"""Whole runs of the main job: what the doors take of them, and what the command costs by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from benchmarks.timing import Spread, Timing
from benchmarks.workshop import Shop, Tell

# What a run cannot do without, in an interpreter that has imported nothing yet.
IMPORTS: Final = "import dagster, dbt.cli.main, great_expectations, xgboost"

_DOOR: Final = "door_"


@dataclass(frozen=True)
class Run:
    """One run: what it took, and the seconds of each of its steps as Dagster tells them."""

    timing: Timing
    step_seconds: dict[str, float]

    @property
    def door_share(self) -> float:
        """The share of the run that the doors took, of 1."""
        doors = sum(s for step, s in self.step_seconds.items() if step.startswith(_DOOR))
        return doors / self.timing.wall_seconds


@dataclass(frozen=True)
class Doors:
    """The first run, which loads everything and trains, and later ones with nothing new."""

    first: Run
    later: Sequence[Run]

    @property
    def later_share(self) -> Spread:
        """The share of the later runs that the doors took, of 1."""
        return Spread.of([run.door_share for run in self.later])


@dataclass(frozen=True)
class Command:
    """The command with nothing new to do, beside the imports; multiples are of the imports."""

    profiles: int
    run: Spread
    imports: Spread
    multiple: Spread
    cpu_multiple: Spread


def measure_doors(shop: Shop, repeats: int, tell: Tell) -> Doors:
    """Run the main job on a shop for the first time, and again with nothing new."""
    tell("runs: the first")
    first = _run(shop)
    later = []
    for repeat in range(repeats):
        tell(f"runs: nothing new, {repeat + 1} of {repeats}")
        later.append(_run(shop))
    return Doors(first, later)


def measure_command(shop: Shop, repeats: int, tell: Tell) -> Command:
    """Run the main job on a tiny shop until nothing is new, and time it then."""
    tell("command: the first run")
    shop.run()
    pairs = []
    for repeat in range(repeats):
        tell(f"command: {repeat + 1} of {repeats}")
        pairs.append((shop.run(), shop.checkout.time("python", "-c", IMPORTS)))
    return Command(
        profiles=shop.summary.profiles,
        run=Spread.of([run.wall_seconds for run, _ in pairs]),
        imports=Spread.of([imports.wall_seconds for _, imports in pairs]),
        multiple=Spread.of([run.wall_seconds / imports.wall_seconds for run, imports in pairs]),
        cpu_multiple=Spread.of([run.cpu_seconds / imports.cpu_seconds for run, imports in pairs]),
    )


def _run(shop: Shop) -> Run:
    timing = shop.run()
    with dg.DagsterInstance.from_config(str(shop.checkout.dagster_home)) as history:
        (last,) = history.get_runs(limit=1)
        steps = history.get_run_step_stats(last.run_id)
    return Run(
        timing,
        {
            step.step_key: step.end_time - step.start_time
            for step in steps
            if step.start_time is not None and step.end_time is not None
        },
    )
