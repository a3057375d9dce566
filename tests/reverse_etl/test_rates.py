"""No stretch of time sees more calls than a rate allows, and none is waited for in vain."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from reverse_etl.rates import Limiter, Rate


def call(rates: list[Rate], calls: int, latency: float, seed: int) -> tuple[list[float], float]:
    """Make calls as fast as allowed; return when each arrived, and how long it took them all."""
    chance = random.Random(seed)
    arrived: list[float] = []

    async def one(limiter: Limiter) -> None:
        async with limiter.call():
            there = chance.uniform(0, latency)
            await asyncio.sleep(there)
            arrived.append(time.monotonic())
            await asyncio.sleep(latency - there)

    async def all_of_them() -> None:
        limiter = Limiter(rates, asyncio.get_running_loop().time)
        await asyncio.gather(*(one(limiter) for _ in range(calls)))

    began = time.monotonic()
    asyncio.run(all_of_them())
    return sorted(arrived), time.monotonic() - began


def most_within(arrived: list[float], seconds: float) -> int:
    return max(sum(at <= other < at + seconds for other in arrived) for at in arrived)


@pytest.mark.parametrize("latency", [0.0, 0.02])
@pytest.mark.parametrize(
    "rates",
    [[Rate(10, 0.2)], [Rate(5, 0.1), Rate(12, 0.5)], [Rate(1, 0.05)]],
    ids=["one", "burst and steady", "one by one"],
)
def test_no_window_sees_more_calls_than_allowed(rates: list[Rate], latency: float) -> None:
    arrived, _ = call(rates, calls=30, latency=latency, seed=7)

    assert len(arrived) == 30
    for rate in rates:
        assert most_within(arrived, rate.seconds) <= rate.calls


def test_calls_do_not_wait_longer_than_the_rate_asks_for() -> None:
    _, seconds = call([Rate(10, 0.2)], calls=50, latency=0.002, seed=7)

    # Five windows of which the last is not waited for: 0.8 s.
    assert seconds < 1.1


def test_a_call_that_fails_gives_its_place_back() -> None:
    async def fail_and_call() -> None:
        limiter = Limiter([Rate(1, 0.01)], asyncio.get_running_loop().time)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with limiter.call():
                    raise ZeroDivisionError
        async with asyncio.timeout(1), limiter.call():
            pass

    asyncio.run(fail_and_call())
