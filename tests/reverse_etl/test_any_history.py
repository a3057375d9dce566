"""Whatever is desired day by day, and whatever goes wrong: in the end everybody holds it."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reverse_etl import ledger
from tests.fakes.server import Fault
from tests.fakes.webhook import SECRET, FakeWebhook, Line
from tests.reverse_etl.service import Answer, Killed, Row, Service
from tests.reverse_etl.shop import Mirror, Shop, configured, outside
from tests.reverse_etl.test_holdouts import is_held_out

PEOPLE = ("ada", "bo", "cy", "dee", "eve")
SEGMENTS = ("birthday_week", "win_back")
HOLDOUTS = {"win_back": {"share": 0.5, "salt": "spring"}}
NAMES = st.sampled_from(["A", "B"])
REASONS = st.sampled_from(["unsubscribe", "complaint"])


@dataclass(frozen=True)
class Day:
    """What is desired on one day: names, memberships with attributes, suppressions."""

    names: Mapping[str, str]
    members: Mapping[tuple[str, str], str | None]
    suppressions: Mapping[str, str]
    killed_at: int = 0
    seed: int = 0
    wanted: Mapping[tuple[str, str], str | None] = field(init=False)

    def __post_init__(self) -> None:
        """Only who may be mailed is in a segment."""
        kept = {key: value for key, value in self.members.items() if key[1] in self.names}
        object.__setattr__(self, "wanted", kept)


@st.composite
def days(draw: st.DrawFn) -> Day:
    people = draw(
        st.dictionaries(
            st.sampled_from(PEOPLE),
            st.one_of(
                st.tuples(st.just("wanted"), NAMES), st.tuples(st.just("suppressed"), REASONS)
            ),
        )
    )
    return Day(
        names={who: name for who, (what, name) in people.items() if what == "wanted"},
        members=draw(
            st.dictionaries(
                st.tuples(st.sampled_from(SEGMENTS), st.sampled_from(PEOPLE)),
                st.sampled_from([None, "X", "Y"]),
            )
        ),
        suppressions={who: why for who, (what, why) in people.items() if what == "suppressed"},
        killed_at=draw(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5, 6])),
        seed=draw(st.integers(0, 2**16)),
    )


def want(shop: Shop, day: Day) -> None:
    """Replace the desired state by that of a day."""
    shop.connection.execute(
        "delete from sync.profiles; delete from sync.segment_members; delete from sync.suppressions"
    )
    for who, name in day.names.items():
        shop.wants(who, first_name=name)
    for (segment, who), attribute in day.wanted.items():
        shop.wants_in(segment, who, attribute)
    for who, reason in day.suppressions.items():
        shop.suppresses(who, reason)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(days(), min_size=1, max_size=5))
def test_the_folders_applied_in_order_give_the_desired_state(history: list[Day]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder), ":memory:")
        shop.destinations = configured(holdouts=HOLDOUTS)
        mirror = Mirror()
        for day in history:
            shop.tomorrow()
            want(shop, day)
            try:
                shop.delivers(report=_kill_at(day.killed_at))
            except Killed:
                continue
            mirror.apply(shop.folders())
            _assert_holds(
                day,
                {who: row["first_name"] for who, row in mirror.profiles.items()},
                {key: value or None for key, value in mirror.members.items()},
            )
            assert shop.delivers().status == "nothing_to_do"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(days(), min_size=1, max_size=5))
def test_a_service_with_every_fault_holds_the_desired_state_when_they_cease(
    history: list[Day],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder), ":memory:")
        shop.destinations = configured(holdouts=HOLDOUTS)
        service = Service()
        for day in history:
            shop.tomorrow()
            want(shop, day)
            service.received.clear()
            refused = _refused(shop)
            _misbehave(service, random.Random(day.seed))
            with suppress(Killed):
                shop.delivers(opener=service.open)
            _assert_nobody_wrongly_told(day, service, refused)
        _behave(service)
        service.received.clear()
        shop.delivers(opener=service.open)
        refused = _refused(shop)
        _assert_nobody_wrongly_told(history[-1], service, refused)
        # Whom it refuses to contact a service may keep or not: that is its own affair.
        _assert_holds(
            history[-1],
            {who: name for who, name in service.profiles.items() if who not in refused},
            {key: value for key, value in service.members.items() if key[1] not in refused},
            refused,
        )
        assert service.repeated == []
        assert shop.delivers(opener=service.open).status == "nothing_to_do"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(days(), min_size=1, max_size=5))
def test_a_service_that_is_called_holds_the_desired_state_when_faults_cease(
    history: list[Day],
) -> None:
    with tempfile.TemporaryDirectory() as folder, FakeWebhook() as service:
        shop = Shop(Path(folder), ":memory:")
        shop.destinations = configured(
            kind="webhook",
            url=service.url,
            secret="SECRET",
            properties={"first_name": None},
            holdouts=HOLDOUTS,
            rows_per_call=2,
            calls_per_second=1000,
            attempts=2,
            timeout_seconds=0.2,
        )
        world = outside({"SECRET": SECRET})
        for day in history:
            shop.tomorrow()
            want(shop, day)
            service.heard.clear()
            service.calls.clear()
            refused = _refused(shop)
            _break(service, random.Random(day.seed))
            with suppress(Killed):
                shop.delivers(outside=world, report=_kill_at(day.killed_at))
            assert service.repeated == []
            _assert_called_of_nobody_wrongly(day, service, refused)
        service.faults = lambda call: None
        service.refuses = lambda line: None
        service.unreadable = lambda line: False
        shop.delivers(outside=world)
        refused = _refused(shop)
        _assert_holds(
            history[-1],
            {who: row["first_name"] for who, row in service.profiles.items() if who not in refused},
            {key: value for key, value in service.members.items() if key[1] not in refused},
            refused,
        )
        assert shop.delivers(outside=world).status == "nothing_to_do"


def _break(service: FakeWebhook, chance: random.Random) -> None:
    """Let calls meet any fault, lines be refused, and lines spoil their call."""
    faults = [
        *(Fault(status, acts=acts) for status in (500, 502) for acts in (False, True)),
        Fault(429, {"Retry-After": "0"}),
        Fault(503, {"Retry-After": "0.01"}),
        Fault(cuts=True),
        Fault(cuts=True, acts=True),
        Fault(hangs=0.3, acts=True),
        Fault(401),
        Fault(200, body=b'{"errors": "garbage"}', acts=True),
    ]
    met: dict[int, Fault | None] = {}
    spoilt = chance.choice([*PEOPLE, None, None])
    answers = {who: chance.choice([None, None, None, "failed", "suppressed"]) for who in PEOPLE}

    def fault(call: int) -> Fault | None:
        return met.setdefault(call, chance.choice(faults) if chance.random() < 0.3 else None)

    def refuse(line: Line) -> tuple[str, str] | None:
        answer = answers[line["profile_id"]]
        return None if answer is None else (answer, "has its reasons")

    service.faults = fault
    service.refuses = refuse
    service.unreadable = lambda line: line["profile_id"] == spoilt


def _assert_called_of_nobody_wrongly(
    day: Day, service: FakeWebhook, refused: Collection[str]
) -> None:
    assert not [
        line
        for line in service.heard
        if line["kind"] != "suppression"
        and line["action"] != "remove"
        and (line["profile_id"] not in day.names or line["profile_id"] in refused)
    ]


def _refused(shop: Shop) -> set[str]:
    ledger.prepare(shop.connection)
    return {
        row[0]
        for row in shop.asks(
            "select profile_id from reverse_etl.receipts"
            " where outcome = 'suppressed' and kind <> 'suppression'"
        )
    }


def _assert_holds(
    day: Day,
    profiles: Mapping[str, str],
    members: Mapping[tuple[str, str], str | None],
    refused: Collection[str] = (),
) -> None:
    assert profiles == {who: name for who, name in day.names.items() if who not in refused}
    assert members == {
        (segment, who): attribute
        for (segment, who), attribute in day.wanted.items()
        if who not in refused
        and (segment != "win_back" or not is_held_out(who, segment, "spring", 0.5))
    }


def _assert_nobody_wrongly_told(day: Day, service: Service, refused: Collection[str]) -> None:
    assert not [
        (kind, action, who)
        for kind, action, who in service.received
        if kind != "suppression" and action != "remove" and (who not in day.names or who in refused)
    ]


def _kill_at(number: int) -> Any:
    heard = 0

    def report(what: str, done: int, total: int) -> None:
        nonlocal heard
        heard += 1
        if heard == number:
            raise Killed

    return report


def _misbehave(service: Service, chance: random.Random) -> None:
    def answer(kind: str, row: Row) -> Answer:
        return chance.choices(
            [
                ("delivered", None),
                ("failed", "malformed"),
                ("pending", "job 7"),
                ("suppressed", "opted out"),
                None,
            ],
            [10, 4, 2, 1, 2],
        )[0]

    service.answers = answer
    service.batches = 0
    service.breaks_after = chance.choice([None, 0, 1, 3])
    service.is_killed_after = chance.choice([None, None, 1, 2])


def _behave(service: Service) -> None:
    service.answers = lambda kind, row: ("delivered", None)
    service.breaks_after = service.is_killed_after = None
