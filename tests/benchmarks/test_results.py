"""What the page of results says, and that the whole measurement goes through at a toy size."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from benchmarks.increments import Day, Increments
from benchmarks.loading import Loading
from benchmarks.models import Models
from benchmarks.results import Results, render
from benchmarks.runs import Command, Doors, Run
from benchmarks.timing import BenchmarkError, Spread, Timing, stopwatch, time_command

ROOT = Path(__file__).resolve().parents[2]

ONE = Spread(1, 1, 1)
GOOD = Results(
    measured_on=date(2026, 11, 22),
    machine={"Processor": "an abacus"},
    email_events=1_000,
    profiles=4,
    repeats=3,
    loadings=[Loading("csv", 1_000, 0.1, ONE, Spread(0.5, 0.4, 0.6), Spread(0.5, 0.4, 0.6), ONE)],
    models=Models(1_000, 2, 70, ONE, ONE, Spread(25, 20, 30), [("dim_profiles", 3.25)]),
    increments=Increments(
        40,
        0.3,
        Day(ONE, ONE, Spread(0.5, 0.4, 0.6)),
        Day(ONE, Spread(0.9, 0.8, 1.1), Spread(0.4, -0.1, 0.6)),
    ),
    doors=Doors(
        Run(
            Timing(100, 90), {"door_after_loading": 10, "dbt_models": 80, "door_before_delivery": 5}
        ),
        [Run(Timing(10, 9), {"door_after_loading": 1, "dbt_models": 8})],
    ),
    command=Command(50, ONE, ONE, Spread(4, 3, 5), ONE),
)


def rows(page: str) -> dict[str, list[str]]:
    """Return the rows of all tables of a page, by their first cell."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| ")
    ]
    return {first: rest for first, *rest in cells}


def test_a_ratio_on_its_aim_meets_it() -> None:
    told = rows(render(GOOD))

    assert told["Loader against DuckDB's bare `create table as`, csv"] == [
        "0.50 (0.40–0.60)", "at least 0.5", "yes",
    ]  # fmt: skip
    assert told["All dbt models against one pass over the email events"] == [
        "25.0 (20.0–30.0)", "at most 25", "yes",
    ]  # fmt: skip
    assert told["The next day's events, built on the day before, against the same pass"] == [
        "1.0 (1.0–1.0)", "at most 1", "yes",
    ]  # fmt: skip
    assert told["A day without events against the same pass"] == [
        "0.5 (0.4–0.6)", "at most 0.5", "yes",
    ]  # fmt: skip
    assert told["The whole command on the next day against the same pass"] == [
        "0.9 (0.8–1.1)", "at most 1", "yes",
    ]  # fmt: skip
    assert told["The whole command on a day without events against the same pass"] == [
        "0.4 (-0.1–0.6)", "at most 0.5", "yes",
    ]  # fmt: skip
    assert told["Doors against the whole run, the first one"] == ["15.0%", "at most 15%", "yes"]
    assert told["Doors against the whole run, nothing new"] == [
        "10.0% (10.0%–10.0%)", "at most 15%", "yes",
    ]  # fmt: skip
    assert told["The command with nothing new against the imports"] == [
        "4.0 (3.0–5.0)", "at most 4", "yes",
    ]  # fmt: skip


def test_a_ratio_beyond_its_aim_is_told_loudly() -> None:
    slow = replace(
        GOOD,
        loadings=[replace(GOOD.loadings[0], speed=Spread(0.49, 0.4, 0.6))],
        models=replace(GOOD.models, multiple=Spread(25.1, 20, 30)),
        increments=replace(
            GOOD.increments,
            models=Day(ONE, Spread(1.1, 1, 2), ONE),
            command=Day(ONE, Spread(1.2, 1, 2), Spread(0.6, 0, 1)),
        ),
        command=replace(GOOD.command, multiple=Spread(4.1, 3, 5)),
    )

    assert [row[-1] for row in rows(render(slow)).values() if len(row) == 3].count("**no**") == 7


def test_a_step_that_one_run_did_not_have_is_a_dash() -> None:
    told = rows(render(GOOD))

    assert told["`dbt_models`"] == ["80.00", "8.00"]
    assert told["`door_before_delivery`"] == ["5.00", "–"]


def test_a_spread_is_the_median_between_least_and_greatest() -> None:
    assert Spread.of([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0)


def test_work_and_waiting_are_told_apart(tmp_path: Path) -> None:
    napping = [sys.executable, "-c", "import time; time.sleep(0.5)"]

    timing = time_command(napping, cwd=tmp_path, settings={}, log=tmp_path / "log")
    with stopwatch() as here:
        subprocess.run(napping, check=True)

    assert timing.wall_seconds >= 0.5 > timing.cpu_seconds
    # The work of another process is not this one's.
    assert here.wall_seconds >= 0.5 > here.cpu_seconds


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", "print('fine so far'); raise SystemExit('out of ink')"]

    with pytest.raises(BenchmarkError, match="ended with status 1: out of ink"):
        time_command(failing, cwd=tmp_path, settings={}, log=tmp_path / "log")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_toy_shop_gives_all_ratios(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    kept = tmp_path / "kept"

    subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--email-events", "5000", "--repeats", "1"),
            *("--measured-on", "2026-11-22", "--out", page, "--keep", kept),
        ],
        cwd=ROOT,
        check=True,
        timeout=1150,
    )

    told = {name: row for name, row in rows(page.read_text("utf-8")).items() if len(row) == 3}
    del told["ratio"]
    ratios = {name: float(re.split("[ %]", row[0])[0]) for name, row in told.items()}
    formats = [name.rpartition(" ")[2] for name in ratios if name.startswith("Loader")]
    assert formats == ["parquet", "csv", "ndjson"]
    assert len(ratios) == 3 + 1 + 4 + 2 + 1
    # Of so few events a day costs nothing that stands out from what is fixed.
    days = {name for name in ratios if " day" in name}
    assert len(days) == 4
    assert all(ratio > 0 for name, ratio in ratios.items() if name not in days)
    assert all(row[2] in ("yes", "**no**") for row in told.values())
    assert (kept / "shop" / "warehouse.duckdb").exists()
