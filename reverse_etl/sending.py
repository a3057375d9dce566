"""Send changes to a service over HTTP: batches, rates, retries, splits, whichever service it is.

A service says in `Route`s how it takes changes and how its answers are read; everything else is
here. The changes never become Python objects: the database writes each as the text that is sent,
and a batch is a stretch of the bytes that Arrow hands over.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import aiohttp
import numpy as np
import pyarrow as pa

from reverse_etl.rates import Limiter, Rate
from reverse_etl.shipment import (
    OUTCOMES,
    DestinationError,
    Kind,
    OutcomeWord,
    Report,
    Shipment,
)

# Rows that are read from the warehouse at once: some tens of megabytes.
_PAGE_ROWS = 50_000
# Answers that come within so many seconds are acknowledged together: a transaction costs as much
# for one row as for ten thousand.
_GATHERED_SECONDS = 0.25
# What waits for its call while answers are acknowledged: batches, and bytes of them.
_WAITING_BATCHES, _WAITING_BYTES = 32, 32_000_000
# Rows refused one after the other, none accepted in between, after which it is not about the rows.
_REFUSED_IN_A_ROW = 100
# A service counts as being down when this many times the attempts of one batch have broken, one
# after the other, of whichever batches.
_BATCHES_UNTIL_DOWN = 3
_LONGEST_REASON = 300
# By these a service asks to be called later, and says nothing of what it was sent.
_THROTTLED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

_T = TypeVar("_T")

_ADDRESS = re.compile(r"[^\s\"',;:<>{}()\[\]=\\]+@[^\s\"',;:<>{}()\[\]=\\]+")


@dataclass(frozen=True)
class Outside:
    """What is handed in: what variables of the environment hold, the time, and chance.

    `clock` gives seconds since 1970, `chance` a number from 0 to 1.
    """

    secrets: Mapping[str, str]
    clock: Callable[[], float]
    chance: Callable[[], float]


@dataclass(frozen=True)
class Limits:
    """What a service takes: rows and bytes of a call, calls per time, calls at once."""

    rows: int
    bytes: int
    rates: tuple[Rate, ...]
    concurrency: int


@dataclass(frozen=True)
class Patience:
    """How long a service is waited for. All times are in seconds.

    `attempts` is how often a call is made that breaks or ends with a server's error. `throttled`
    is how long a service may go on asking for patience before the delivery gives up for now.
    """

    attempts: int = 5
    timeout: float = 60
    first_pause: float = 0.5
    longest_pause: float = 60
    throttled: float = 900


@dataclass(frozen=True)
class Batch:
    """Changes that go into one call: `change_number`, `profile_id`, `email`, `line`."""

    changes: pa.Table

    @property
    def rows(self) -> int:
        """How many changes there are."""
        return int(self.changes.num_rows)

    @property
    def lines(self) -> memoryview:
        """The text of all changes, one after the other, without a copy."""
        lines = self.changes.column("line").chunk(0)
        _, offsets, text = lines.buffers()
        begin, end = (
            int(np.frombuffer(offsets, np.int32, 1, 4 * (lines.offset + row))[0])
            for row in (0, len(lines))
        )
        return memoryview(text)[begin:end]

    def halves(self) -> tuple[Batch, Batch]:
        """Part the batch in two."""
        middle = self.rows // 2
        return Batch(self.changes.slice(0, middle)), Batch(self.changes.slice(middle))

    def outcomes(
        self,
        outcome: OutcomeWord,
        reason: str | None = None,
        attempts: int = 1,
        exceptions: Mapping[int, tuple[OutcomeWord, str | None]] | None = None,
    ) -> pa.Table:
        """Return `OUTCOMES`: one for all, but for the rows that are exceptions, by their number."""
        words = np.full(self.rows, outcome, object)
        reasons = np.full(self.rows, reason and tidy(reason), object)
        for row, (word, why) in (exceptions or {}).items():
            words[row], reasons[row] = word, why and tidy(why)
        return pa.table(
            {
                "change_number": self.changes.column("change_number"),
                "outcome": words,
                "reason": reasons,
                "attempts": np.full(self.rows, attempts, np.int64),
            },
            schema=OUTCOMES,
        )


@dataclass(frozen=True)
class Request:
    """One call."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | memoryview


@dataclass(frozen=True)
class Answer:
    """What came back. Names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Route:
    """How a service takes the changes of one sort.

    `line` is the SQL of a change as text, over the columns of `Shipment.select`; `condition` tells
    which of the kind go this way. `compose` makes the call, for each attempt anew, and `read` the
    outcomes of one that succeeded, given how often it was made.
    """

    kind: Kind
    condition: str
    line: str
    compose: Callable[[Batch], Request]
    read: Callable[[Answer, Batch, int], pa.Table]


def tidy(reason: str) -> str:
    """Return a service's words as they may be written down: short, one line, no address."""
    return " ".join(_ADDRESS.sub("<address>", reason).split())[:_LONGEST_REASON]


def pause_asked_for(answer: Answer, now: float) -> float | None:
    """Return the seconds that `Retry-After` asks for (RFC 9110, 10.2.3), None where it does not.

    `now` is in seconds since 1970.
    """
    told = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", told):
        return float(told)
    try:
        return max(parsedate_to_datetime(told).timestamp() - now, 0.0)
    except (ValueError, TypeError):
        return None


@dataclass(frozen=True)
class Sender:
    """Call one service by its limits.

    `name` is the destination's in the settings, `credentials` names the variables of the
    environment that hold what the service knows us by.
    """

    name: str
    credentials: str
    limits: Limits
    outside: Outside
    patience: Patience = field(default_factory=Patience)

    def send(
        self, shipment: Shipment, routes: Sequence[Route], report: Report
    ) -> Iterator[pa.Table]:
        """Hand over the changes, route by route, and yield their outcomes as they come.

        Raise `DestinationError` where it makes no sense to go on.
        """
        numbers = [shipment.count(route.kind, route.condition) for route in routes]
        done, total = 0, sum(numbers)
        with _running_loop() as loop:
            calls = _run(loop, _open(self))
            try:
                for route, number in zip(routes, numbers, strict=True):
                    if number:
                        for outcomes in self._send_route(loop, calls, shipment, route):
                            yield outcomes
                            done += outcomes.num_rows
                            report(f"{self.name}: sending", done, total)
            finally:
                _run(loop, calls.close())

    def _send_route(
        self, loop: asyncio.AbstractEventLoop, calls: _Calls, shipment: Shipment, route: Route
    ) -> Iterator[pa.Table]:
        """Have as many calls go on as the service takes at once, and gather what comes back."""
        waiting = max(1, min(_WAITING_BATCHES, _WAITING_BYTES // self.limits.bytes))
        batches = self._batches(shipment, route)
        going: set[Future[None]] = set()
        problem: DestinationError | None = None
        gather_until = time.monotonic() + _GATHERED_SECONDS
        try:
            while True:
                while (
                    problem is None
                    and len(going) < self.limits.concurrency + waiting
                    and (batch := next(batches, None))
                ):
                    going.add(asyncio.run_coroutine_threadsafe(calls.deliver(route, batch), loop))
                if not going:
                    break
                left = max(gather_until - time.monotonic(), 0)
                ended, going = wait(going, left, FIRST_COMPLETED)
                for one in ended:
                    try:
                        one.result()
                    except DestinationError as error:
                        # No other call begins; those that have begun are heard to their end.
                        problem = error
                if time.monotonic() >= gather_until:
                    yield from calls.take_answers()
                    gather_until = time.monotonic() + _GATHERED_SECONDS
            yield from calls.take_answers()
        finally:
            for one in going:
                one.cancel()
        if problem is not None:
            raise problem

    def _batches(self, shipment: Shipment, route: Route) -> Iterator[Batch]:
        """Cut the changes into batches, none larger than a call may be."""
        for page in shipment.pages(
            route.kind,
            _PAGE_ROWS,
            columns=f"change_number, profile_id, email, {route.line} as line",
            condition=route.condition,
        ):
            whole = page.combine_chunks()
            lengths = np.diff(_offsets(whole.column("line").chunk(0)))
            ends = np.cumsum(lengths)
            first = 0
            while first < whole.num_rows:
                before = int(ends[first - 1]) if first else 0
                last = int(np.searchsorted(ends, before + self.limits.bytes, side="right"))
                # One row that is too long goes alone, for the service to say so.
                last = max(min(last, first + self.limits.rows), first + 1)
                yield Batch(whole.slice(first, last - first))
                first = last


def _offsets(lines: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.frombuffer(lines.buffers()[1], np.int32, len(lines) + 1, 4 * lines.offset)


class _Calls:
    """The calls to one service that are going on, in the thread of their event loop."""

    def __init__(self, sender: Sender, session: aiohttp.ClientSession) -> None:
        self._sender = sender
        self._session = session
        self._clock = asyncio.get_running_loop().time
        self._limiter = Limiter(sender.limits.rates, self._clock)
        self._at_once = asyncio.Semaphore(sender.limits.concurrency)
        # While the service is in trouble one call at a time finds out whether it still is.
        self._probe = asyncio.Lock()
        self._answers = SimpleQueue[pa.Table]()
        self._problem: DestinationError | None = None
        self._is_stopped = asyncio.Event()
        self._paused_until = 0.0
        self._last_taken_at = self._clock()
        # Since the last good answer: how often trouble was met, and of this how often a call broke.
        self._troubles = self._breaks = 0
        self._refused = 0

    async def close(self) -> None:
        await self._session.close()

    def take_answers(self) -> Iterator[pa.Table]:
        """Yield what has been answered since the last time, as one table; any thread may ask."""
        tables = []
        with suppress(Empty):
            while True:
                tables.append(self._answers.get_nowait())
        if tables:
            yield pa.concat_tables(tables)

    async def deliver(self, route: Route, batch: Batch, attempts: int = 0) -> None:
        """Make the call until it has an answer that says something about the rows."""
        breaks = 0
        while True:
            answer = await self._make(route, batch)
            attempts += 1
            if isinstance(answer, str):
                breaks += 1
                if breaks >= self._sender.patience.attempts:
                    return self._answers.put(batch.outcomes("failed", answer, attempts))
            elif answer.status // 100 == 2:
                self._refused = 0
                return self._answers.put(route.read(answer, batch, attempts))
            elif answer.status not in _THROTTLED:
                return await self._refuse(route, batch, answer, attempts)

    async def _make(self, route: Route, batch: Batch) -> Answer | str:
        """Make the call when it may be; return the answer, or why there was none."""
        async with self._at_once:
            if not self._troubles:
                return await self._call(route, batch)
            async with self._probe:
                return await self._call(route, batch)

    async def _call(self, route: Route, batch: Batch) -> Answer | str:
        while (pause := self._paused_until - self._clock()) > 0 and self._problem is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_stopped.wait(), pause)
        async with self._limiter.call():
            if self._problem is not None:
                raise self._problem
            known = self._troubles
            answer = await self._ask(route.compose(batch))
        if isinstance(answer, str):
            self._break(answer, known)
        elif answer.status in _THROTTLED:
            self._pause(answer, known)
        else:
            self._troubles = self._breaks = 0
            self._last_taken_at = self._clock()
        return answer

    async def _ask(self, request: Request) -> Answer | str:
        try:
            async with self._session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                # It would carry addresses and keys to where nobody has sent them.
                allow_redirects=False,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(response.status, headers, await response.read())
        except TimeoutError:
            return f"no answer within {self._sender.patience.timeout:g} s"
        except aiohttp.ClientError as error:
            return f"the connection broke ({type(error).__name__})"
        if answer.status in _THROTTLED:
            return answer
        if answer.status // 100 == 5 or answer.status == HTTPStatus.REQUEST_TIMEOUT:
            return f"the service failed ({answer.status})"
        return answer

    def _pause(self, answer: Answer, known: int) -> None:
        """Let nobody call before the service wants to be called again."""
        backoff = self._meet_trouble(known)
        asked = pause_asked_for(answer, self._sender.outside.clock())
        until = self._clock() + (backoff if asked is None else asked)
        if until - self._last_taken_at > self._sender.patience.throttled:
            raise self._stop(
                f"{self._sender.name} asks for patience ({answer.status}) and has taken nothing "
                f"for {self._clock() - self._last_taken_at:,.0f} s; what was not delivered is "
                "sent by the next run"
            )
        self._paused_until = max(self._paused_until, until)

    def _break(self, reason: str, known: int) -> None:
        """Let nobody call for a while, because others would meet the same."""
        self._breaks += known == self._troubles
        until = self._clock() + self._meet_trouble(known)
        if self._breaks >= self._sender.patience.attempts * _BATCHES_UNTIL_DOWN:
            raise self._stop(
                f"{self._sender.name} seems to be down: {reason}; what was not delivered is sent "
                "by the next run"
            )
        self._paused_until = max(self._paused_until, until)

    def _meet_trouble(self, known: int) -> float:
        """Return how long to pause: twice as long as the last time, and anything down to nothing.

        Calls that began before the trouble was `known` have met the same, however many they are.
        Source: "full jitter" in Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
        """
        patience = self._sender.patience
        self._troubles += known == self._troubles
        longest: float = min(
            patience.first_pause * 2 ** (self._troubles - 1), patience.longest_pause
        )
        return longest * self._sender.outside.chance()

    async def _refuse(self, route: Route, batch: Batch, answer: Answer, attempts: int) -> None:
        """Find the rows for which a batch was refused, or say that it is not about rows."""
        name, credentials, status = self._sender.name, self._sender.credentials, answer.status
        if status // 100 == 3:
            raise self._stop(
                f"{name} has moved ({status}); configure where it is now, because nothing is sent "
                "after it"
            )
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise self._stop(f"{name} does not let us in ({status}): see to {credentials}")
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.METHOD_NOT_ALLOWED):
            raise self._stop(f"{name} has nothing at the address that is configured ({status})")
        if batch.rows > 1:
            for half in batch.halves():
                await self.deliver(route, half, attempts)
            return
        reason = f"{status}: {tidy(answer.body.decode('utf-8', 'replace'))}"
        self._refused += 1
        if self._refused >= _REFUSED_IN_A_ROW:
            raise self._stop(
                f"{name} has refused {self._refused:,} rows one after the other, the last with "
                f"{reason}"
            )
        self._answers.put(batch.outcomes("failed", reason, attempts))

    def _stop(self, sentence: str) -> DestinationError:
        """Let no other call begin, and return why."""
        self._problem = DestinationError(sentence)
        self._is_stopped.set()
        return self._problem


async def _open(sender: Sender) -> _Calls:
    return _Calls(
        sender,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=sender.limits.concurrency),
            timeout=aiohttp.ClientTimeout(total=sender.patience.timeout),
        ),
    )


@contextmanager
def _running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Yield an event loop in a thread of its own: calls go on while the ledger is written."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="calls", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        _run(loop, _cancel_all())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _run(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result()
