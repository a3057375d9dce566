"""A service that is called: it ends up holding what is desired, whatever goes wrong on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reverse_etl.delivery import DeliveryOutcome
from reverse_etl.sending import Answer, pause_asked_for
from tests.fakes.server import Fault
from tests.fakes.webhook import SECRET, FakeWebhook
from tests.reverse_etl.shop import Shop, configured, outside

VARIABLE = "WEBHOOK_SECRET"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.connection.close()


def deliver(shop: Shop, service: FakeWebhook, **settings: Any) -> DeliveryOutcome:
    shop.destinations = configured(
        **{
            "kind": "webhook",
            "url": f"{service.url}/hook",
            "secret": VARIABLE,
            "calls_per_second": 1000,
            "properties": {"first_name": "name", "last_order_at": None},
            **settings,
        }
    )
    return shop.delivers(outside=outside({VARIABLE: SECRET}))


def test_the_service_holds_what_is_desired_and_hears_only_what_is_new(shop: Shop) -> None:
    shop.wants("ada", first_name='A"d\n❤', last_order_at="2026-03-01 10:00:00.5")
    shop.wants("bo")
    shop.wants_in("win_back", "bo", "tea")
    with FakeWebhook() as service:
        outcome = deliver(shop, service)

        assert (outcome.status, outcome.delivered, outcome.place) == ("delivered", 3, "127.0.0.1")
        assert service.profiles == {
            "ada": {
                "email": "ada@example.com",
                "name": 'A"d\n❤',
                "last_order_at": "2026-03-01T10:00:00.500000Z",
            },
            "bo": {"email": "bo@example.com", "name": "Bo", "last_order_at": None},
        }
        assert service.members == {("win_back", "bo"): "tea"}

        shop.tomorrow()
        shop.suppresses("bo")
        shop.wants("cy")
        service.heard.clear()
        assert deliver(shop, service).status == "delivered"

        assert [(line["kind"], line["action"], line["profile_id"]) for line in service.heard] == [
            ("suppression", "add", "bo"),
            ("segment_member", "remove", "bo"),
            ("profile", "remove", "bo"),
            ("profile", "add", "cy"),
        ]
        assert set(service.profiles) == {"ada", "cy"}
        assert (service.members, service.suppressions) == ({}, {"bo": "unsubscribe"})

        shop.tomorrow()
        assert deliver(shop, service).status == "nothing_to_do"


FAULTS = {
    "429 that says when": Fault(429, {"Retry-After": "0"}),
    "429 that says nothing": Fault(429),
    "500": Fault(500),
    "502": Fault(502, body=b"<html>bad gateway</html>"),
    "503 that says when": Fault(503, {"Retry-After": "0.05"}),
    "503 with garbage for a time": Fault(503, {"Retry-After": "soon"}),
    "500 after it has acted": Fault(500, acts=True),
    "a connection that breaks before it has acted": Fault(cuts=True),
    "a connection that breaks after it has acted": Fault(cuts=True, acts=True),
    "no answer in time": Fault(hangs=0.4, acts=True),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_ceases_costs_nobody_anything(shop: Shop, fault: Fault) -> None:
    for number in range(7):
        shop.wants(f"p{number}")
    with FakeWebhook(faults=lambda call: fault if call in (1, 3, 4) else None) as service:
        outcome = deliver(shop, service, rows_per_call=2, timeout_seconds=0.2)

        assert (outcome.status, outcome.delivered) == ("delivered", 7), outcome.sentence
        assert set(service.profiles) == {f"p{number}" for number in range(7)}
        # A call that is repeated says so, for who has acted on it already.
        assert len(set(service.keys)) == 4
    ((attempts,),) = shop.asks("select max(attempts) from reverse_etl.receipts")
    assert attempts > 1


def test_one_bad_row_is_found_and_stops_no_other(shop: Shop) -> None:
    for number in range(100):
        shop.wants(f"p{number:02}")
    with FakeWebhook(unreadable=lambda line: line["profile_id"] == "p37") as service:
        outcome = deliver(shop, service)

        assert (outcome.delivered, outcome.failed) == (99, 1)
        assert "p37" not in service.profiles
        # The whole, and both halves of seven parts that hold the bad row: 100, 50, 25 … 1.
        assert len(service.arrivals) <= 1 + 2 * 7

        service.unreadable = lambda line: False
        shop.tomorrow()
        outcome = deliver(shop, service)
        assert (outcome.delivered, outcome.failed) == (1, 0)
        assert len(service.profiles) == 100
    ((reason,),) = shop.asks("select reason from reverse_etl.receipts where outcome = 'failed'")
    assert reason == "422: a line of <address> is unreadable"


def test_lines_that_are_refused_are_settled_by_what_the_service_says(shop: Shop) -> None:
    answers = {"ada": ("suppressed", "has asked ada@example.com to be left alone"),
               "bo": ("failed", "busy")}  # fmt: skip
    for who in ("ada", "bo", "cy"):
        shop.wants(who)
    with FakeWebhook(refuses=lambda line: answers.get(line["profile_id"])) as service:
        outcome = deliver(shop, service)
        assert (outcome.delivered, outcome.failed, outcome.suppressed) == (1, 1, 1)
        assert shop.asks("select profile_id, reason from reverse_etl.refused_profiles") == [
            ("ada", "has asked <address> to be left alone")
        ]

        shop.tomorrow()
        answers.clear()
        service.heard.clear()
        assert deliver(shop, service).delivered == 1
        assert [line["profile_id"] for line in service.heard] == ["bo"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(401), "does not let us in (401): see to WEBHOOK_SECRET"),
        (Fault(404), "has nothing at the address that is configured (404)"),
        (Fault(301, {"Location": "http://127.0.0.1:1/"}), "has moved (301)"),
        (Fault(500), "seems to be down: the service failed (500)"),
        (Fault(cuts=True), "seems to be down: the connection broke"),
    ],
)
def test_a_service_that_takes_nothing_is_named_and_left_alone(
    shop: Shop, fault: Fault, said: str
) -> None:
    for number in range(200):
        shop.wants(f"p{number}")
    with FakeWebhook(faults=lambda call: fault) as service:
        outcome = deliver(shop, service, rows_per_call=1, attempts=2, calls_at_once=2)

        assert (outcome.status, outcome.delivered) == ("failed", 0)
        assert said in outcome.sentence
        # No storm: three batches of two attempts, and what had begun meanwhile.
        assert len(service.arrivals) <= 8

        service.faults = lambda call: None
        shop.tomorrow()
        assert deliver(shop, service).delivered == 200


def test_no_call_is_made_beyond_the_rate_or_at_once(shop: Shop) -> None:
    for number in range(60):
        shop.wants(f"p{number}")
    with FakeWebhook() as service:
        deliver(shop, service, rows_per_call=2, calls_per_second=20, calls_at_once=3)

        assert len(service.arrivals) == 30
        assert service.most_within(1) <= 20
        assert service.most_at_once <= 3


def test_no_call_is_larger_than_it_may_be(shop: Shop) -> None:
    for number in range(50):
        shop.wants(f"p{number}", first_name="x" * 300)
    with FakeWebhook() as service:
        deliver(shop, service, bytes_per_call=2000)
        assert len(service.profiles) == 50
        # 300 letters and some 140 around them: four in a call.
        assert len(service.arrivals) == 13


def test_a_missing_secret_is_named_before_anybody_is_told(shop: Shop) -> None:
    shop.wants("ada")
    with FakeWebhook() as service:
        shop.destinations = configured(kind="webhook", url=service.url, secret=VARIABLE)
        with pytest.raises(ValueError, match="needs WEBHOOK_SECRET in the environment"):
            shop.delivers(outside=outside({}))
        assert service.arrivals == []


def test_what_ends_while_answers_are_acknowledged_leaves_nothing_unsent(shop: Shop) -> None:
    for number in range(100):
        shop.wants(f"p{number}")
    taken = Fault(200, body=b"ok", hangs=0.005, acts=True)
    with FakeWebhook(faults=lambda call: taken) as service:
        # Two calls wait at most, and both have ended before the first answers are on record.
        outcome = deliver(
            shop, service, rows_per_call=1, calls_at_once=1, bytes_per_call=100_000_000
        )
        assert (outcome.status, outcome.delivered) == ("delivered", 100)


def test_what_was_taken_of_a_split_batch_stays_known_where_the_rest_ends_the_delivery(
    shop: Shop,
) -> None:
    for who in ("ada", "bo"):
        shop.wants(who)
    # The two together are refused, Ada is taken, and then nobody is let in any more.
    answers = {1: Fault(422), 3: Fault(401)}
    with FakeWebhook(faults=answers.get) as service:
        outcome = deliver(shop, service)
        assert (outcome.status, outcome.delivered) == ("failed", 1)
        (taken,) = service.profiles

        service.heard.clear()
        shop.tomorrow()
        assert deliver(shop, service).delivered == 1
        assert [line["profile_id"] for line in service.heard] == [({"ada", "bo"} - {taken}).pop()]


def test_calls_that_break_together_are_one_trouble(shop: Shop) -> None:
    """As when a service starts anew: it is not down because twenty calls were going on."""
    for number in range(40):
        shop.wants(f"p{number}")
    cut = Fault(hangs=0.3, cuts=True)
    with FakeWebhook(faults=lambda call: cut if call <= 20 else None) as service:
        outcome = deliver(shop, service, rows_per_call=1, calls_at_once=20, attempts=2)
        assert (outcome.status, outcome.delivered) == ("delivered", 40), outcome.sentence


def test_a_delivery_that_is_over_waits_for_nobody(shop: Shop) -> None:
    """One call is told to come back in a minute, and the other that the secret is wrong."""
    for who in ("ada", "bo", "cy", "dee"):
        shop.wants(who)
    answers = [Fault(429, {"Retry-After": "60"}), Fault(401, hangs=0.3)]
    with FakeWebhook(faults=lambda call: answers[call - 1]) as service:
        began = time.monotonic()
        outcome = deliver(shop, service, rows_per_call=1, calls_at_once=2)
        assert "does not let us in (401)" in outcome.sentence
        assert time.monotonic() - began < 30
        assert len(service.arrivals) == 2


def test_a_refused_row_is_an_answer_and_ends_the_trouble_before_it(shop: Shop) -> None:
    """Else broken calls would add up over hours in which the service did answer."""
    for number in range(12):
        shop.wants(f"p{number:02}")
    with FakeWebhook(
        faults=lambda call: Fault(500) if call % 2 else None, unreadable=lambda line: True
    ) as service:
        outcome = deliver(shop, service, rows_per_call=1, calls_at_once=1, attempts=3)
        assert outcome.failed == 12, outcome.sentence
        assert "seems to be down" not in outcome.sentence


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"", "delivered"),
        (b"ok", "delivered"),
        (b"[" * 100_000, "delivered"),
        (b'{"errors": []}', "delivered"),
        (b'{"errors": 7}', "failed"),
        (b'{"errors": [{"line": 9, "outcome": "failed"}]}', "failed"),
        (b'{"errors": [{"line": 0, "outcome": "lost"}]}', "failed"),
        (b'{"errors": [{"line": 0, "outcome": ["failed"]}]}', "failed"),
    ],
)
def test_an_answer_takes_all_unless_it_names_errors_whether_they_can_be_read_or_not(
    shop: Shop, body: bytes, outcome: str
) -> None:
    shop.wants("ada")
    with FakeWebhook(faults=lambda call: Fault(200, body=body)) as service:
        deliver(shop, service, properties={})
    assert shop.asks("select outcome from reverse_etl.receipts") == [(outcome,)]


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 37),
        ("Sun, 06 Nov 1994 08:48:00 GMT", 0),
        ("soon", None),
        ("", None),
        ("-3", None),
    ],
)
def test_a_service_says_when_it_wants_to_be_called_again(told: str, seconds: float | None) -> None:
    """In seconds, or by a date: that of RFC 9110, at 08:49:00 of its day."""
    now = datetime(1994, 11, 6, 8, 49, tzinfo=UTC).timestamp()
    assert pause_asked_for(Answer(429, {"retry-after": told}, b""), now) == seconds
