"""`make ui`: Dagster's pages open and know the runs of the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.browser import open_page
from tests.orchestration.checkout import PROGRAMS, ROOT
from tests.orchestration.conftest import FirstRun

STARTS_WITHIN_SECONDS = 120


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def pages_port() -> int:
    """Return the port for the pages of runs."""
    return free_port()


@pytest.fixture
def address(first_run: FirstRun, pages_port: int) -> Iterator[str]:
    """Start the pages as a person would, over the history of the first run."""
    home = first_run.place.checkout.root / "data" / "dagster"
    port = free_port()
    process = subprocess.Popen(
        [
            *("make", "ui", f"PORT={port}", f"PAGES_PORT={pages_port}"),
            *(f"VENV={PROGRAMS.parent}", f"DAGSTER_HOME={home}"),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        # As Ctrl-C does it; services of Dagster that do not hear it must not outlive the test.
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


def answer(address: str, question: str) -> dict[str, object]:
    """Ask the pages what they would show; wait until they are there."""
    request = urllib.request.Request(
        f"{address}/graphql",
        data=json.dumps({"query": question}).encode(),
        headers={"Content-Type": "application/json"},
    )
    end = time.monotonic() + STARTS_WITHIN_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return dict(json.load(response)["data"])
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


@pytest.mark.slow
def test_the_pages_show_the_runs_of_the_command_line(first_run: FirstRun, address: str) -> None:
    runs = answer(address, "{runsOrError {... on Runs {results {runId jobName status}}}}")
    locations = answer(
        address,
        "{workspaceOrError {... on Workspace {locationEntries {locationOrLoadError "
        "{... on PythonError {message}}}}}}",
    )

    run = re.search(r"The run is (\w+)", first_run.ended.out)
    assert run is not None
    assert [
        (shown["jobName"], shown["status"])
        for shown in runs["runsOrError"]["results"]  # type: ignore[index]
        if shown["runId"].startswith(run[1])
    ] == [("daily", "SUCCESS")]
    assert "message" not in json.dumps(locations)


@pytest.mark.slow
def test_a_browser_shows_the_runs_and_the_assets(
    first_run: FirstRun, address: str, pages_port: int, tmp_path: Path
) -> None:
    answer(address, "{version}")

    runs = open_page(f"{address}/runs", tmp_path / "runs", patience_seconds=60)
    asset = open_page(
        f"{address}/assets/marts/dim_profiles", tmp_path / "asset", patience_seconds=60
    )

    assert "daily" in runs.dom
    assert "Success" in runs.dom
    assert "dim_profiles" in asset.dom
    assert "One row per profile" in asset.dom
    for opened in (runs, asset):
        assert [line for line in opened.complaints if "Uncaught" in line] == []
    with urllib.request.urlopen(f"http://127.0.0.1:{pages_port}/", timeout=30) as listing:
        assert b"Directory listing for /" in listing.read()
