"""Who may not be mailed is never sent, and whoever knows the person is told once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reverse_etl.desired_state import SyncError, refuse_unmailable
from reverse_etl.plan import plan_delivery
from tests.reverse_etl.service import Service
from tests.reverse_etl.shop import Shop, told


def test_a_destination_that_knows_the_person_is_told_once(shop: Shop) -> None:
    shop.wants("ada")
    shop.wants_in("win_back", "ada")
    shop.delivers()
    shop.tomorrow()
    shop.suppresses("ada", "unsubscribe")
    shop.delivers()
    folder = shop.folders()[1]
    assert told(folder, "suppressions.csv") == [("add", "ada", "unsubscribe")]
    assert told(folder, "profiles.csv")[0][:2] == ("remove", "ada")
    assert told(folder, "segment_members.csv") == [("remove", "ada", "win_back", "")]
    shop.tomorrow()
    assert shop.delivers().status == "nothing_to_do"


def test_a_destination_that_never_knew_the_person_is_not_told(shop: Shop) -> None:
    shop.wants("ada")
    shop.suppresses("bo")
    shop.delivers()
    assert told(shop.folders()[0], "suppressions.csv") == []


def test_a_suppression_is_told_again_when_its_reason_changes(shop: Shop) -> None:
    shop.wants("ada")
    shop.delivers()
    shop.suppresses("ada", "unsubscribe")
    shop.delivers()
    shop.suppresses("ada", "hard_bounce")
    shop.delivers()
    assert told(shop.folders()[2], "suppressions.csv") == [("change", "ada", "hard_bounce")]


def test_who_left_long_ago_is_still_known(shop: Shop) -> None:
    shop.wants("ada")
    shop.delivers()
    shop.forgets("ada")
    shop.delivers()
    shop.suppresses("ada", "complaint")
    shop.delivers()
    assert told(shop.folders()[2], "suppressions.csv") == [("add", "ada", "complaint")]


def test_a_lifted_suppression_is_no_message(shop: Shop) -> None:
    shop.wants("ada")
    shop.delivers()
    shop.suppresses("ada")
    shop.delivers()
    shop.lifts("ada")
    assert shop.delivers().status == "nothing_to_do"


def test_who_came_back_and_leaves_again_is_told_again(shop: Shop) -> None:
    shop.wants("ada")
    shop.delivers()
    shop.suppresses("ada")
    shop.delivers()
    shop.lifts("ada")
    shop.wants("ada")
    shop.delivers()
    shop.suppresses("ada")
    shop.delivers()
    assert told(shop.folders()[3], "suppressions.csv") == [("add", "ada", "unsubscribe")]


def test_who_came_back_before_the_removal_went_through_is_told_again_too(shop: Shop) -> None:
    service = Service()
    shop.wants("ada")
    shop.delivers(opener=service.open)
    shop.suppresses("ada")
    service.answers = lambda kind, row: (
        ("failed", "busy") if kind == "profile" else ("delivered", None)
    )
    shop.delivers(opener=service.open)
    service.answers = lambda kind, row: ("delivered", None)
    shop.lifts("ada")
    shop.wants("ada")
    shop.delivers(opener=service.open)
    assert service.received[-1] == ("profile", "change", "ada")
    shop.suppresses("ada")
    shop.delivers(opener=service.open)
    assert service.received[-2:] == [("profile", "remove", "ada"), ("suppression", "add", "ada")]


@pytest.mark.parametrize(
    ("profile_id", "email"), [("ada", "other@example.com"), ("other", "ada@example.com")]
)
def test_somebody_who_may_and_may_not_be_mailed_stops_everything(
    shop: Shop, profile_id: str, email: str
) -> None:
    shop.suppresses("ada")
    shop.wants(profile_id, email)
    shop.wants("bo")
    with pytest.raises(SyncError, match=r"1 people are in sync.profiles and in sync.suppressions"):
        shop.delivers()
    assert shop.folders() == []


def test_a_member_who_is_no_profile_stops_everything(shop: Shop) -> None:
    shop.wants("ada")
    shop.wants_in("win_back", "ada")
    shop.forgets("ada", members=False)
    with pytest.raises(SyncError, match=r"1 rows of people who are not in sync.profiles"):
        shop.delivers()
    assert shop.folders() == []


def test_the_rows_that_go_out_are_looked_at_once_more(shop: Shop) -> None:
    shop.wants("ada")
    shop.wants("bo")
    shop.delivers()
    shop.wants("ada", first_name="Augusta")
    shop.forgets("bo")
    (settings,) = shop.destinations.destinations.values()
    plan_delivery(shop.connection, "file", settings, as_of=shop.now.replace(tzinfo=None))
    for name in ("ada", "bo"):
        shop.connection.execute(
            "insert into sync.suppressions values (?, ?, 'complaint')",
            [name, f"{name}@example.com"],
        )
    with pytest.raises(SyncError, match=r"1 are about people in sync.suppressions and 0 about"):
        refuse_unmailable(shop.connection, "file")


def test_whom_a_killed_run_may_have_told_of_counts_as_known(shop: Shop) -> None:
    service = Service()
    service.answers = lambda kind, row: None
    shop.wants("ada")
    shop.delivers(opener=service.open)
    shop.suppresses("ada", "complaint")
    service.answers = lambda kind, row: ("delivered", None)
    shop.delivers(opener=service.open)
    assert service.profiles == {}
    assert service.suppressions == {"ada": "complaint"}


def test_a_past_that_is_not_delivered_says_how_many_refusals_wait(shop: Shop) -> None:
    for name in ("ada", "bo", "cy"):
        shop.wants(name)
    shop.delivers()
    shop.suppresses("ada")
    shop.forgets("bo")

    outcome = shop.delivers(as_of=shop.now - timedelta(days=1))

    assert outcome.status == "out_of_date"
    assert outcome.warning == (
        "file: 2 removals and 1 refusal to be mailed are not told, because this run speaks of "
        "2026-03-01T00:00:00Z; run again as of 2026-03-02T00:00:00Z or later"
    )


def test_a_past_in_which_nobody_waits_is_no_warning(shop: Shop) -> None:
    shop.wants("ada")
    shop.delivers()
    assert shop.delivers(as_of=shop.now - timedelta(days=1)).warning is None


def test_a_delivery_that_spoke_of_the_future_by_mistake_holds_nobody_back(shop: Shop) -> None:
    shop.wants("ada")
    shop.delivers(as_of=shop.now + timedelta(days=200))
    shop.tomorrow()
    shop.suppresses("ada")

    outcome = shop.delivers()

    assert outcome.status == "delivered"
    assert outcome.delivered == 2
