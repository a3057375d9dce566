"""Programs of the environment, run in processes that find their libraries already imported.

Importing Great Expectations, Dagster and dbt takes a command longer than most of what a test asks
of it. A server that has imported them, and nothing of this project, forks a process per command.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory

PROGRAMS = ("mailmart", "dbt")
LIBRARIES = (
    *("dagster", "dagster_dbt", "dbt.adapters.duckdb", "dbt.cli.main", "great_expectations"),
    *("altair", "pyarrow", "scipy.stats", "sklearn.isotonic", "xgboost"),
)

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(list(LIBRARIES))


def run(
    program: str,
    arguments: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    timeout_seconds: float,
) -> tuple[int, str, str]:
    """Run a program to its end; return its status, what it printed, and what it complained of."""
    with TemporaryDirectory() as said:
        out, err = (Path(said, name) for name in ("out", "err"))
        process = _server.Process(
            target=_become, args=([program, *arguments], cwd, dict(environment), out, err)
        )
        process.start()
        process.join(timeout_seconds)
        if process.is_alive():
            process.kill()
            process.join()
            raise TimeoutError(f"{program} has not ended: {err.read_text(encoding='utf-8')}")
        assert process.exitcode is not None
        return process.exitcode, *(file.read_text(encoding="utf-8") for file in (out, err))


def _become(
    command: list[str], cwd: Path, environment: dict[str, str], out: Path, err: Path
) -> None:
    """Be the program, as a new interpreter would that a shell has started."""
    os.setsid()
    for stream, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What the tests run on is not what the program runs on: the checkout goes before the project.
    sys.path[:0] = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.argv = command
    (script,) = entry_points(group="console_scripts", name=command[0])
    try:
        sys.exit(script.load()())
    finally:
        atexit._run_exitfuncs()
