"""What a command leaves to read afterwards: `data/logs/<name>.log`, of the newest run alone."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from expectations.gate import without_addresses
from orchestration.resources import DATA


def find_log(name: str) -> Path:
    """Return the log of a job or command."""
    return DATA / "logs" / f"{name}.log"


@contextmanager
def open_log(name: str) -> Iterator[TextIO]:
    """Open the log of a run of a job, in place of the one before."""
    file = find_log(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as opened:
        yield opened


def keep_error(name: str, error: BaseException) -> str:
    """Keep an error that nobody foresaw in a log, and return one sentence about it."""
    first = without_addresses(next(iter(str(error).splitlines()), ""))
    sentence = f"an error that was not foreseen: {type(error).__name__}: {first}"
    file = find_log(name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as opened:
            opened.write(without_addresses("".join(traceback.format_exception(error))))
    except OSError:
        return sentence
    return f"{sentence}; where it came from is in {file}"
