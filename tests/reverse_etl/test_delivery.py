"""The ledger moves on the destination's word, row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reverse_etl.delivery import deliver
from tests.reverse_etl.service import Answer, Killed, Row, Service
from tests.reverse_etl.shop import Shop, configured


@pytest.fixture
def service() -> Service:
    return Service()


def refusing(profile_id: str, answer: Answer) -> Callable[[str, Row], Answer]:
    """Answer so for the profile of one person, and well for everybody else."""
    return lambda kind, row: (
        answer if (kind, row["profile_id"]) == ("profile", profile_id) else ("delivered", None)
    )


def test_a_failed_row_is_sent_again_though_it_has_not_changed(shop: Shop, service: Service) -> None:
    for name in ("ada", "bo", "cy"):
        shop.wants(name)
    service.answers = refusing("bo", ("failed", "no such time zone"))
    first = shop.delivers(opener=service.open)
    assert (first.status, first.delivered, first.failed) == ("delivered", 2, 1)
    assert "1 failed, and will be sent again" in first.sentence
    service.received.clear()
    service.answers = refusing("nobody", None)
    second = shop.delivers(opener=service.open)
    assert service.received == [("profile", "add", "bo")]
    assert (second.status, second.delivered) == ("delivered", 1)
    assert shop.delivers(opener=service.open).status == "nothing_to_do"


def test_a_row_that_failed_and_is_wanted_no_more_is_removed(shop: Shop, service: Service) -> None:
    # The service may have acted before it failed: who is not wanted must not stay there.
    shop.wants("ada")
    shop.wants("bo")
    service.answers = refusing("bo", None)
    shop.delivers(opener=service.open)
    assert "bo" in service.profiles
    shop.forgets("bo")
    service.answers = refusing("nobody", None)
    shop.delivers(opener=service.open)
    assert service.profiles == {"ada": "Ada"}


def test_a_change_that_failed_and_was_taken_back_is_sent_all_the_same(
    shop: Shop, service: Service
) -> None:
    shop.wants("ada", first_name="Ada")
    shop.delivers(opener=service.open)
    shop.wants("ada", first_name="Augusta")
    service.answers = refusing("ada", None)
    assert shop.delivers(opener=service.open).status == "failed"
    assert service.profiles == {"ada": "Augusta"}
    shop.wants("ada", first_name="Ada")
    service.answers = refusing("nobody", None)
    shop.delivers(opener=service.open)
    assert service.profiles == {"ada": "Ada"}


def test_one_success_does_not_mark_a_whole_batch(shop: Shop, service: Service) -> None:
    service.rows_per_batch = 10
    for name in ("ada", "bo", "cy"):
        shop.wants(name)
    service.answers = lambda kind, row: (
        ("delivered", None) if row["profile_id"] == "ada" else ("failed", "refused")
    )
    shop.delivers(opener=service.open)
    assert shop.asks("select profile_id from reverse_etl.acknowledged_profiles") == [("ada",)]
    assert shop.asks(
        "select profile_id, outcome, reason from reverse_etl.receipts order by profile_id"
    ) == [("ada", "delivered", None), ("bo", "failed", "refused"), ("cy", "failed", "refused")]


def test_one_bad_row_does_not_stop_the_nights_after_it(shop: Shop, service: Service) -> None:
    service.answers = refusing("ada", ("failed", "malformed"))
    shop.wants("ada")
    for name in ("bo", "cy", "dee"):
        shop.wants(name)
        shop.tomorrow()
        outcome = shop.delivers(opener=service.open)
        assert (outcome.status, outcome.delivered, outcome.failed) == ("delivered", 1, 1)
    assert sorted(service.profiles) == ["bo", "cy", "dee"]


def test_a_run_of_which_nothing_was_taken_failed_and_moves_no_watermark(
    shop: Shop, service: Service
) -> None:
    shop.wants("ada")
    service.answers = refusing("ada", ("failed", "malformed"))
    shop.tomorrow()
    assert shop.delivers(opener=service.open).status == "failed"
    shop.now = shop.now.replace(day=2)
    service.answers = refusing("nobody", None)
    assert shop.delivers(opener=service.open).status == "delivered"


def test_a_pending_row_is_not_acknowledged_until_it_is_done(shop: Shop, service: Service) -> None:
    shop.wants("ada")
    service.answers = refusing("ada", ("pending", "job 7"))
    first = shop.delivers(opener=service.open)
    assert (first.status, first.pending, first.delivered) == ("delivered", 1, 0)
    assert shop.asks("from reverse_etl.acknowledged_profiles") == []
    service.answers = refusing("nobody", None)
    assert shop.delivers(opener=service.open).delivered == 1
    assert shop.asks("select outcome from reverse_etl.receipts") == [("pending",), ("delivered",)]


def test_who_must_not_be_contacted_is_never_sent_again_and_comes_home(
    shop: Shop, service: Service
) -> None:
    shop.wants("ada")
    shop.wants("bo")
    service.answers = refusing("bo", ("suppressed", "compliance state"))
    outcome = shop.delivers(opener=service.open)
    assert (outcome.status, outcome.delivered, outcome.suppressed) == ("delivered", 1, 1)
    assert shop.asks(
        "select profile_id, reason from reverse_etl.receipts where outcome = 'suppressed'"
    ) == [("bo", "compliance state")]
    service.received.clear()
    shop.wants("bo", first_name="Roberta")
    shop.tomorrow()
    assert shop.delivers(opener=service.open).status == "nothing_to_do"
    assert service.received == []


def test_who_is_refused_later_is_taken_off_and_that_ends_it(shop: Shop, service: Service) -> None:
    shop.wants("ada")
    shop.wants_in("win_back", "ada")
    shop.delivers(opener=service.open)
    shop.wants("ada", first_name="Augusta")
    service.answers = lambda kind, row: ("suppressed", "opted out")
    shop.delivers(opener=service.open)
    service.received.clear()
    shop.delivers(opener=service.open)
    assert service.received == [("profile", "remove", "ada"), ("segment_member", "remove", "ada")]
    assert shop.delivers(opener=service.open).status == "nothing_to_do"


def test_who_one_destination_refuses_is_kept_from_the_others(shop: Shop, service: Service) -> None:
    shop.wants("ada")
    service.answers = refusing("ada", ("suppressed", "opted out"))
    shop.delivers(opener=service.open)
    both = configured().destinations["file"]
    shop.destinations = shop.destinations.model_copy(update={"destinations": {"other": both}})
    assert shop.delivers(opener=Service().open).status == "nothing_to_do"


def test_what_was_acknowledged_before_a_connection_broke_stays_so(
    shop: Shop, service: Service
) -> None:
    for name in ("ada", "bo", "cy", "dee", "eve"):
        shop.wants(name)
    service.breaks_after = 2
    broken = shop.delivers(opener=service.open)
    assert (broken.status, broken.delivered) == ("failed", 4)
    assert "the connection broke" in broken.sentence
    assert "1 got no answer, and will be sent again" in broken.sentence
    service.breaks_after = None
    service.received.clear()
    assert shop.delivers(opener=service.open).delivered == 1
    assert len(service.received) == 1
    assert service.repeated == []


def test_a_killed_run_repeats_only_what_was_not_acknowledged(shop: Shop, service: Service) -> None:
    for name in ("ada", "bo", "cy", "dee", "eve"):
        shop.wants(name)
    service.is_killed_after = 2
    with pytest.raises(Killed):
        shop.delivers(opener=service.open)
    service.is_killed_after = None
    service.received.clear()
    assert shop.delivers(opener=service.open).delivered == 3
    assert len(service.received) == 3
    assert service.repeated == []
    assert shop.asks("select status, delivered from reverse_etl.runs order by run_id") == [
        ("failed", 2),
        ("delivered", 3),
    ]


def test_one_destination_that_fails_stops_no_other(shop: Shop) -> None:
    settings = configured().destinations["file"]
    shop.destinations = shop.destinations.model_copy(
        update={"destinations": {"broken": settings, "sound": settings}}
    )
    services = {"broken": Service(), "sound": Service()}
    services["broken"].breaks_after = 0
    shop.wants("ada")
    outcomes = deliver(
        shop.connection,
        shop.destinations,
        as_of=shop.now,
        at=shop.now,
        run_id="night",
        outbox=shop.outbox,
        opener=lambda name, settings: services[name],
    )
    assert [(each.destination, each.status) for each in outcomes] == [
        ("broken", "failed"),
        ("sound", "delivered"),
    ]
    assert services["sound"].profiles == {"ada": "Ada"}


@pytest.mark.parametrize(
    ("answer", "complaint"), [(("sent", None), "an outcome is one of"), (("", None), "answered ''")]
)
def test_an_answer_in_no_known_word_moves_nothing(
    shop: Shop, service: Service, answer: Any, complaint: str
) -> None:
    shop.wants("ada")
    service.answers = lambda kind, row: answer
    with pytest.raises(ValueError, match=complaint):
        shop.delivers(opener=service.open)
    assert shop.asks("from reverse_etl.receipts") == []


def test_a_run_that_is_repeated_under_its_own_id_keeps_both_records(
    shop: Shop, service: Service
) -> None:
    shop.wants("ada")
    service.breaks_after = 0
    shop.delivers(opener=service.open, run_id="night")
    service.breaks_after = None
    shop.delivers(opener=service.open, run_id="night")
    assert shop.asks("select run_id, attempt, status from reverse_etl.runs order by attempt") == [
        ("night", 1, "failed"),
        ("night", 2, "delivered"),
    ]


def test_progress_names_no_address(shop: Shop) -> None:
    shop.wants("ada", "ada@shop.example")
    heard: list[tuple[str, int, int]] = []
    outcome = shop.delivers(report=lambda what, done, total: heard.append((what, done, total)))
    assert ("file: comparing", 1, 1) in heard
    assert heard[-1][1:] == (3, 3)
    assert "@" not in str(heard) + outcome.sentence + str(outcome.plan)
