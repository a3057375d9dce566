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
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
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
# A service counts as being down when this many times the attempts that one batch has broke one
# after the other, whichever batches they were of.
_BATCHES_UNTIL_DOWN = 3
_LONGEST_REASON = 300

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
        words: list[str] = [outcome] * self.rows
        reasons: list[str | None] = [reason] * self.rows
        for row, (word, why) in (exceptions or {}).items():
            words[row], reasons[row] = word, why
        return pa.table(
            {
                "change_number": self.changes.column("change_number"),
                "outcome": words,
                "reason": [None if why is None else tidy(why) for why in reasons],
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
        going: set[Future[list[pa.Table]]] = set()
        answered: list[pa.Table] = []
        problem: DestinationError | None = None
        gathered_at = time.monotonic()
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
                # With nothing to acknowledge there is nothing to hurry for.
                left = gathered_at + _GATHERED_SECONDS - time.monotonic() if answered else None
                ended, going = wait(going, left if left is None else max(left, 0), FIRST_COMPLETED)
                for one in ended:
                    try:
                        answered += one.result()
                    except DestinationError as error:
                        # No other call begins; those that have begun are heard to their end.
                        problem = error
                if answered and time.monotonic() >= gathered_at + _GATHERED_SECONDS:
                    yield pa.concat_tables(answered)
                    answered = []
                    gathered_at = time.monotonic()
            if answered:
                yield pa.concat_tables(answered)
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
        # While the service is in trouble one call at a time finds out whether it still is.
        self._probe = asyncio.Lock()
        self._is_in_trouble = False
        self._at_once = asyncio.Semaphore(sender.limits.concurrency)
        self._problem: DestinationError | None = None
        self._paused_until = 0.0
        self._last_success_at = self._clock()
        # One after the other, of whichever batches.
        self._broken = self._paused = self._refused = 0

    async def close(self) -> None:
        await self._session.close()

    async def deliver(self, route: Route, batch: Batch, attempts: int = 0) -> list[pa.Table]:
        """Make the call until it has an answer that says something about the rows."""
        broken = 0
        while True:
            answer = await self._make(route, batch)
            attempts += 1
            if isinstance(answer, Answer):
                if answer.status // 100 == 2:
                    self._succeed()
                    return [route.read(answer, batch, attempts)]
                if answer.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
                    self._pause(answer)
                    continue
                if answer.status // 100 != 5 and answer.status != HTTPStatus.REQUEST_TIMEOUT:
                    return await self._refuse(route, batch, answer, attempts)
            broken += 1
            reason = self._break(answer)
            if broken >= self._sender.patience.attempts:
                return [batch.outcomes("failed", reason, attempts)]

    async def _make(self, route: Route, batch: Batch) -> Answer | str:
        """Return the answer, or why there was none."""
        async with self._at_once:
            if not self._is_in_trouble:
                return await self._call(route, batch)
            async with self._probe:
                return await self._call(route, batch)

    async def _call(self, route: Route, batch: Batch) -> Answer | str:
        while (pause := self._paused_until - self._clock()) > 0:
            await asyncio.sleep(pause)
        async with self._limiter.call():
            if self._problem is not None:
                raise self._problem
            request = route.compose(batch)
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
                    return Answer(response.status, headers, await response.read())
            except TimeoutError:
                return f"no answer within {self._sender.patience.timeout:g} s"
            except aiohttp.ClientError as error:
                return f"the connection broke ({type(error).__name__})"

    def _succeed(self) -> None:
        self._is_in_trouble = False
        self._last_success_at = self._clock()
        self._broken = self._paused = self._refused = 0

    def _pause(self, answer: Answer) -> None:
        """Let nobody call before the service wants to be called again."""
        patience = self._sender.patience
        self._is_in_trouble = True
        self._paused += 1
        asked = pause_asked_for(answer, self._sender.outside.clock())
        pause = self._backoff(self._paused) if asked is None else asked
        until = self._clock() + pause
        if until - self._last_success_at > patience.throttled:
            raise self._stop(
                f"{self._sender.name} asks for patience ({answer.status}) and has taken nothing "
                f"for {self._clock() - self._last_success_at:,.0f} s; what was not delivered is "
                "sent by the next run"
            )
        self._paused_until = max(self._paused_until, until)

    def _backoff(self, times: int) -> float:
        """Return a pause that doubles, anywhere between nothing and all of it.

        Source: "full jitter" in Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
        """
        patience = self._sender.patience
        longest: float = min(patience.first_pause * 2 ** (times - 1), patience.longest_pause)
        return longest * self._sender.outside.chance()

    async def _refuse(
        self, route: Route, batch: Batch, answer: Answer, attempts: int
    ) -> list[pa.Table]:
        """Find the rows for which a batch was refused, or say that it is not about rows."""
        name, credentials = self._sender.name, self._sender.credentials
        reason = tidy(answer.body.decode("utf-8", "replace"))
        match answer.status:
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                raise self._stop(
                    f"{name} does not let us in ({answer.status}): see to {credentials}"
                )
            case HTTPStatus.NOT_FOUND | HTTPStatus.GONE | HTTPStatus.METHOD_NOT_ALLOWED:
                raise self._stop(
                    f"{name} has nothing at the address that is configured ({answer.status})"
                )
            case status if status // 100 == 3:
                raise self._stop(
                    f"{name} has moved ({status}); configure where it is now, because nothing is "
                    "sent after it"
                )
        if batch.rows > 1:
            first, second = batch.halves()
            return [
                *await self.deliver(route, first, attempts),
                *await self.deliver(route, second, attempts),
            ]
        self._refused += 1
        if self._refused >= _REFUSED_IN_A_ROW:
            raise self._stop(
                f"{name} has refused {self._refused:,} rows one after the other, the last with "
                f"{answer.status}: {reason}"
            )
        return [batch.outcomes("failed", f"{answer.status}: {reason}", attempts)]

    def _stop(self, sentence: str) -> DestinationError:
        """Let no other call begin, and return why."""
        self._problem = DestinationError(sentence)
        return self._problem

    def _break(self, answer: Answer | str) -> str:
        """Let nobody call for a while, because others would meet the same; return what it was."""
        self._is_in_trouble = True
        self._broken += 1
        reason = answer if isinstance(answer, str) else f"the service failed ({answer.status})"
        if self._broken >= self._sender.patience.attempts * _BATCHES_UNTIL_DOWN:
            raise self._stop(
                f"{self._sender.name} seems to be down: {reason}; what was not delivered is sent "
                "by the next run"
            )
        until = self._clock() + self._backoff(self._broken)
        self._paused_until = max(self._paused_until, until)
        return reason


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
