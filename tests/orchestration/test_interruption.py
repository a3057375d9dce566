"""A run that is cut short at any instant, and started again, ends as a run that was not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence

import pytest

from tests.orchestration import shop
from tests.orchestration.checkout import Ended, Place
from tests.orchestration.conftest import FirstRun
from tests.orchestration.shop import TUESDAY


def start_until(place: Place, line: str) -> subprocess.Popen[str]:
    """Start the main job and return when it has said a line that begins so."""
    process = place.checkout.start("mailmart", *place.run_arguments(TUESDAY))
    assert process.stderr is not None
    said = []
    for one in process.stderr:
        said.append(one)
        if re.match(line, one):
            return process
    raise AssertionError(f"it never said {line}: {''.join(said)}")


def tables(place: Place, *schemas: str) -> dict[str, Sequence[object]]:
    """Return what all tables of some schemas hold."""
    names = place.rows(
        "select schema_name || '.' || table_name, list(column_name) from duckdb_columns() "
        f"where schema_name in {schemas} "
        "and column_name not in ('_loaded_at', 'loaded_at', 'modified_at') "
        "and table_name not in ('fct_builds', 'door_verdicts', 'door_figures') "
        "group by all order by all"
    )
    return {
        str(name): place.rows(f"select {', '.join(sorted(columns))} from {name} order by all")  # type: ignore[call-overload]
        for name, columns in names
    }


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_never_was(
    first_run: FirstRun, empty: Place
) -> None:
    shop.fill(empty)

    for line in (
        "loading files: 1 of",
        "door after loading: 0 of 1",
        "building profiles: 1 of",
        r"building profiles: (?!1 of)",
        "training churn",
        "building segments: 1 of",
        "file: comparing: 1 of 1",
    ):
        process = start_until(empty, line)
        # The command alone: what it has started must not go on without it.
        process.kill()
        process.communicate()

    ended = empty.run(TUESDAY)

    assert ended.status == 0, ended.err
    assert tables(empty, "raw", "marts", "sync") == tables(first_run.place, "raw", "marts", "sync")
    (delivery,) = empty.deliveries()
    (first,) = first_run.place.deliveries()
    for name in ("profiles.csv", "segment_members.csv"):
        assert (empty.outbox / delivery / name).read_bytes() == (
            first_run.place.outbox / first / name
        ).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "times"),
    [("loading files: 4", 1), ("building profiles: 1 of", 1), ("building profiles: 1 of", 4)],
)
def test_a_run_that_somebody_interrupts_says_so_and_goes_on_next_time(
    empty: Place, line: str, times: int
) -> None:
    shop.fill(empty)
    process = start_until(empty, line)

    for _ in range(times):
        # As a terminal does it: to the command and to all that it has started.
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)
    out, err = process.communicate(timeout=60)

    ended = Ended(process.returncode, out, err)
    # A shell says 130 too of a process that the last signal met when it had said everything.
    assert ended.status in (130, -signal.SIGINT), ended.err
    assert ended.last_line.startswith("interrupted; what was loaded and built stays")
    assert "Traceback" not in ended.err
    assert empty.run(TUESDAY).status == 0
