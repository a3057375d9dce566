"""What was measured: how long something took, and what the machine worked for it."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class BenchmarkError(RuntimeError):
    """What was to be measured did not work; the message says what, and where its output is."""


@dataclass
class Timing:
    """Seconds by the clock on the wall, and seconds of all processors together."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Spread:
    """The median of repeated measurements, between the least and the greatest."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Return the spread of at least one figure."""
        return cls(statistics.median(figures), min(figures), max(figures))


@contextmanager
def stopwatch() -> Iterator[Timing]:
    """Time the block in this process; the timing is filled in when the block ends."""
    timing = Timing()
    wall, cpu = time.perf_counter(), time.process_time()
    yield timing
    timing.wall_seconds = time.perf_counter() - wall
    timing.cpu_seconds = time.process_time() - cpu


def time_command(
    command: Sequence[str | Path], *, cwd: Path, settings: Mapping[str, str], log: Path
) -> Timing:
    """Run a command to its end and return what it took, with the processes that it waited for.

    `settings` are set in its environment; what somebody has set for mailmart in this shell is left
    out. What it says goes into `log`. Raises `BenchmarkError` where it fails.
    """
    # `env` hands the settings over, so that the environment is not read here.
    unset = [word for name in _NOT_INHERITED for word in ("-u", name)]
    line = ["env", *unset, *(f"{k}={v}" for k, v in settings.items()), *map(str, command)]
    with log.open("wb") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
            line, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
        raise BenchmarkError(f"{command[0]} ended with status {process.returncode}: {last}")
    return Timing(wall, usage.ru_utime + usage.ru_stime)


_NOT_INHERITED = (
    *("MAILMART_LANDING", "MAILMART_WAREHOUSE", "MAILMART_OUTBOX", "MAILMART_AS_OF"),
    *("MAILMART_STARTED_AT", "MAILMART_FAILURE_WEBHOOK", "MAILMART_CODE_VERSION"),
)
