"""All dbt models, by the time that dbt says of each, beside one pass over the email events."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.timing import Spread, stopwatch
from benchmarks.workshop import Shop, Tell
from orchestration.database import open_warehouse

AGGREGATION: Final = (
    "select count(*) from (select email, cast(occurred_at as date), event_type, count(*) "
    "from raw.email_events group by all)"
)

_DEAREST: Final = 10


@dataclass(frozen=True)
class Models:
    """What the models take; multiples are of the one pass.

    `dearest` are the models that take longest, with their median multiples.
    """

    email_events: int
    threads: int
    models: int
    one_pass: Spread
    all_models: Spread
    multiple: Spread
    dearest: Sequence[tuple[str, float]]


def measure(shop: Shop, repeats: int, tell: Tell) -> Models:
    """Build the models of a shop that has been run, one at a time, and time the pass beside it.

    One at a time, each model has all of DuckDB's threads, as the pass does; side by side, the times
    would count the waiting for each other too.
    """
    passes, builds = [], []
    for repeat in range(repeats):
        tell(f"models: {repeat + 1} of {repeats}")
        passes.append(time_pass(shop.warehouse))
        builds.append(_time_models(shop))
    with closing(open_warehouse(shop.warehouse, read_only=True)) as connection:
        ((events, threads),) = connection.execute(
            "select count(*), current_setting('threads') from raw.email_events"
        ).fetchall()
    multiples = {
        name: statistics.median(
            build[name] / one_pass for build, one_pass in zip(builds, passes, strict=True)
        )
        for name in builds[0]
    }
    sums = [sum(build.values()) for build in builds]
    return Models(
        email_events=events,
        threads=threads,
        models=len(multiples),
        one_pass=Spread.of(passes),
        all_models=Spread.of(sums),
        multiple=Spread.of([total / one for total, one in zip(sums, passes, strict=True)]),
        dearest=sorted(multiples.items(), key=lambda model: -model[1])[:_DEAREST],
    )


def time_pass(warehouse: Path) -> float:
    """Return the seconds of the pass in a warehouse."""
    # Freshly opened, as for each model: of the table, memory holds what the system keeps of files.
    with (
        closing(open_warehouse(warehouse, read_only=True)) as connection,
        stopwatch() as timing,
    ):
        connection.execute(AGGREGATION).fetchall()
    return timing.wall_seconds


def _time_models(shop: Shop) -> dict[str, float]:
    """Build all models from nothing; return the seconds of each, without dbt's start."""
    root = shop.checkout.root
    target = root / "data" / "timed"
    shop.checkout.time(
        "dbt",
        *("--quiet", "run", "--full-refresh", "--threads", "1", "--target-path", target),
        MAILMART_WAREHOUSE=str(shop.warehouse),
        MAILMART_AS_OF=shop.as_of.isoformat(),
    )
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    return {
        result["unique_id"].rpartition(".")[2]: result["execution_time"]
        for result in results
        if result["unique_id"].startswith("model.")
    }
