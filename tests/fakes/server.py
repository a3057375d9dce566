"""What every pretended service shares: a port of its own, a log of calls, and faults on demand."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web


@dataclass(frozen=True)
class Fault:
    """How a call is answered instead: a status, or no answer at all.

    `acts` is whether the service has done what it was asked for all the same. `cuts` breaks the
    connection, `hangs` keeps it open for so many seconds.
    """

    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"something went wrong"
    acts: bool = False
    cuts: bool = False
    hangs: float = 0


# Which fault, if any, meets the call with this number, counted from 1.
Faults = Callable[[int], Fault | None]


class FakeService(ABC):
    """Serve on 127.0.0.1 within a `with` block; what is heard is read by the test's own thread."""

    def __init__(self, faults: Faults = lambda call: None) -> None:
        """Misbehave as `faults` tells."""
        self.faults = faults
        self.arrivals: list[float] = []
        # What was sent, and whether it was answered as documented with 200.
        self.calls: list[tuple[bytes, bool]] = []
        self.at_once = self.most_at_once = 0
        self.url = ""

    @abstractmethod
    async def act(self, request: web.Request, body: bytes) -> web.Response:
        """Do what a call asks for, and answer as documented."""

    def __enter__(self) -> Self:
        """Listen on a free port."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        """End, whatever is going on."""
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        _, port = self._runner.addresses[0][:2]
        self.url = f"http://127.0.0.1:{port}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.arrivals.append(time.monotonic())
        call = len(self.arrivals)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            body = await request.read()
            fault = self.faults(call)
            if fault is None:
                response = await self.act(request, body)
                self.calls.append((body, response.status == 200))
                return response
            self.calls.append((body, False))
            if fault.acts:
                await self.act(request, body)
            if fault.hangs:
                await asyncio.sleep(fault.hangs)
            if fault.cuts:
                assert request.transport is not None
                request.transport.abort()
            return web.Response(status=fault.status, headers=fault.headers, body=fault.body)
        finally:
            self.at_once -= 1

    def most_within(self, seconds: float) -> int:
        """Return the most calls that arrived within any stretch of so many seconds."""
        first, most = 0, 0
        for last, at in enumerate(self.arrivals):
            while self.arrivals[first] <= at - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most
