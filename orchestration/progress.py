"""How far a long step has come: bars on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

# Hears of long steps: what is done, how much of it, of how much.
Report = Callable[[str, int, int], None]

_QUIET_SECONDS = 10.0


class Display:
    """Show each step once it begins, how far it is while it lasts, and how long it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_live = console.is_terminal
        self._bars = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not self._is_live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._told_at: dict[str, float] = {}

    @contextmanager
    def draw(self) -> Iterator[None]:
        """Draw while the block runs."""
        with self._bars:
            yield

    def update(self, step: str, done: int, total: int) -> None:
        """Tell that `done` of `total` of a step are done."""
        if self._is_live:
            if step not in self._tasks:
                self._tasks[step] = self._bars.add_task(step, total=total)
            self._bars.update(self._tasks[step], completed=done, total=max(total, 1))
            return
        now = time.monotonic()
        # A log wants the beginning, the end, and a sign of life every few seconds.
        if step not in self._told_at or done >= total or now - self._told_at[step] > _QUIET_SECONDS:
            if done >= total and self._told_at.get(step) == float("inf"):
                return
            self._told_at[step] = float("inf") if done >= total else now
            self._console.print(f"{step}: {done:,} of {total:,}", highlight=False)


@contextmanager
def show(console: Console) -> Iterator[Report]:
    """Yield a reporter that tells this console how far steps have come, while the block runs."""
    display = Display(console)
    with display.draw():
        yield display.update


def keep_silent(step: str, done: int, total: int) -> None:
    """Hear how far a step has come and say nothing: Dagster's pages show the steps themselves."""
