"""How often a service may be called: never more than it has published, over any stretch of time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

# Seconds of a clock that never goes back.
Clock = Callable[[], float]


@dataclass(frozen=True)
class Rate:
    """Allow so many calls within any stretch of so many seconds."""

    calls: int
    seconds: float


class Limiter:
    """Let calls begin as early as all rates allow, in the order in which they ask.

    A service counts a call when it arrives, somewhere between its beginning and its end, and its
    clock is not ours. So a call takes its place in a window from its beginning on, and gives it
    back `seconds` after its end: whatever the network does, no window of the service's own sees
    more than the rate. The price is the duration of a call per window.
    """

    def __init__(self, rates: Collection[Rate], clock: Clock) -> None:
        """Start with empty windows; the clock is that of the event loop that the calls run in."""
        self._windows = [(rate, deque[float]()) for rate in rates]
        self._clock = clock
        self._begun = 0
        self._turn = asyncio.Lock()
        self._ended = asyncio.Event()

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Wait until one more call may begin, and hold its place while it goes on."""
        async with self._turn:
            while (wait := self._wait_seconds()) != 0:
                self._ended.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), wait)
            self._begun += 1
        try:
            yield
        finally:
            self._begun -= 1
            now = self._clock()
            for _, ends in self._windows:
                ends.append(now)
            self._ended.set()

    def _wait_seconds(self) -> float | None:
        """Return how long no call may begin; None where that is until one of them ends."""
        now = self._clock()
        longest = 0.0
        for rate, ends in self._windows:
            while ends and ends[0] + rate.seconds <= now:
                ends.popleft()
            too_many = self._begun + len(ends) + 1 - rate.calls
            if too_many > len(ends):
                return None
            if too_many > 0:
                longest = max(longest, ends[too_many - 1] + rate.seconds - now)
        return longest
