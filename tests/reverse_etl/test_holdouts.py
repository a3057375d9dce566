"""A share of a segment is not sent for it, and always the same people."""

from __future__ import annotations

import hashlib
from datetime import datetime

from tests.reverse_etl.shop import Shop, configured, read

HALF = {"win_back": {"share": 0.5, "salt": "spring"}}


def is_held_out(profile_id: str, segment: str, salt: str, share: float) -> bool:
    """Decide as documented, without the database: 60 bits of a hash below the share."""
    digest = hashlib.md5("\x1f".join((salt, profile_id, segment)).encode()).hexdigest()
    return int(digest[:15], 16) / 2**60 < share


def have(shop: Shop, people: int) -> list[str]:
    names = [f"p{number:03}" for number in range(people)]
    for name in names:
        shop.wants(name)
        shop.wants_in("win_back", name)
    return names


def test_held_out_members_are_not_sent_for_the_segment_and_their_profiles_are(
    shop: Shop,
) -> None:
    shop.destinations = configured(holdouts=HALF)
    names = have(shop, 40)
    expected = {name for name in names if is_held_out(name, "win_back", "spring", 0.5)}
    assert 10 <= len(expected) <= 30
    outcome = shop.delivers()
    (folder,) = shop.folders()
    sent = {row["profile_id"] for row in read(folder, "segment_members.csv")}
    assert sent == set(names) - expected
    assert {row["profile_id"] for row in read(folder, "profiles.csv")} == set(names)
    assert outcome.plan is not None
    assert outcome.plan.held_out == {"win_back": len(expected)}


def test_assignments_are_recorded_once(shop: Shop) -> None:
    shop.destinations = configured(holdouts=HALF)
    names = have(shop, 40)
    expected = sorted(name for name in names if is_held_out(name, "win_back", "spring", 0.5))
    shop.delivers()
    shop.tomorrow()
    shop.wants("p000", first_name="Augusta")
    shop.delivers()
    assert shop.asks(
        "select profile_id, segment, salt, assigned_at from reverse_etl.holdouts order by 1"
    ) == [(name, "win_back", "spring", datetime(2026, 3, 2)) for name in expected]  # noqa: DTZ001


def test_a_larger_share_holds_out_the_same_people_and_more(shop: Shop) -> None:
    names = have(shop, 60)

    def held_out(share: float, salt: str = "spring") -> set[str]:
        shop.destinations = configured(holdouts={"win_back": {"share": share, "salt": salt}})
        shop.delivers(dry_run=True)
        return {row[0] for row in shop.asks("select profile_id from held_out_members")}

    assert held_out(0.2) < held_out(0.5) < set(names)
    assert held_out(0.5) != held_out(0.5, "autumn")


def test_a_holdout_that_begins_later_takes_its_people_off_the_list(shop: Shop) -> None:
    names = have(shop, 40)
    shop.delivers()
    shop.destinations = configured(holdouts=HALF)
    shop.delivers()
    removed = {
        row["profile_id"]
        for row in read(shop.folders()[1], "segment_members.csv")
        if row["action"] == "remove"
    }
    assert removed == {name for name in names if is_held_out(name, "win_back", "spring", 0.5)}


def test_a_dry_run_assigns_nobody(shop: Shop) -> None:
    shop.destinations = configured(holdouts=HALF)
    have(shop, 20)
    shop.delivers(dry_run=True)
    assert shop.asks("from reverse_etl.holdouts") == []
