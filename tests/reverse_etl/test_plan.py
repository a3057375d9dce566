"""What a destination hears, and what it does not hear again."""

from __future__ import annotations

import hashlib
import json

import pytest

from reverse_etl.configuration import ConfigurationError
from reverse_etl.desired_state import SyncError
from tests.reverse_etl.shop import Shop, configured, read, told


def test_the_first_delivery_adds_everybody(shop: Shop) -> None:
    shop.wants("ada")
    shop.wants("bo")
    shop.wants_in("win_back", "bo", "Books")
    outcome = shop.delivers()
    (folder,) = shop.folders()
    assert outcome.status == "delivered"
    assert outcome.delivered == 3
    assert [row[:2] for row in told(folder, "profiles.csv")] == [("add", "ada"), ("add", "bo")]
    assert told(folder, "segment_members.csv") == [("add", "bo", "win_back", "Books")]
    assert told(folder, "suppressions.csv") == []


def test_a_second_run_on_the_same_data_plans_nothing(shop: Shop) -> None:
    shop.wants("ada", last_order_at="2026-01-01 12:00:00.123456", lifetime_revenue="10.50")
    shop.wants_in("win_back", "ada")
    shop.delivers()
    outcome = shop.delivers()
    assert outcome.status == "nothing_to_do"
    assert outcome.plan is not None
    assert outcome.plan.unchanged == {("profile", None): 1, ("segment_member", "win_back"): 1}
    assert len(shop.folders()) == 1


def test_only_what_changed_is_sent(shop: Shop) -> None:
    for name in ("ada", "bo", "cy"):
        shop.wants(name)
        shop.wants_in("win_back", name)
    shop.wants_in("recent_category_buyers", "ada", "Books")
    shop.delivers()
    shop.tomorrow()
    shop.wants("ada", first_name="Augusta")
    shop.wants_in("recent_category_buyers", "ada", "Maps")
    shop.forgets("bo")
    shop.leaves("win_back", "cy")
    shop.wants("dee")
    shop.delivers()
    folder = shop.folders()[1]
    assert [row[:3] for row in told(folder, "profiles.csv")] == [
        ("remove", "bo", ""),
        ("change", "ada", "Augusta"),
        ("add", "dee", "Dee"),
    ]
    assert told(folder, "segment_members.csv") == [
        ("remove", "bo", "win_back", ""),
        ("remove", "cy", "win_back", ""),
        ("change", "ada", "recent_category_buyers", "Maps"),
    ]


def test_a_removal_names_the_address_that_the_destination_knows(shop: Shop) -> None:
    shop.wants("bo", "bo@shop.example")
    shop.wants_in("win_back", "bo")
    shop.delivers()
    shop.tomorrow()
    shop.forgets("bo")
    shop.delivers()
    folder = shop.folders()[1]
    (profile,) = read(folder, "profiles.csv")
    (member,) = read(folder, "segment_members.csv")
    assert profile["email"] == member["email"] == "bo@shop.example"
    assert {value for key, value in profile.items() if key not in ("action", "profile_id")} == {
        "bo@shop.example",
        "",
    }


def test_a_score_that_drifts_is_no_change_by_itself(shop: Shop) -> None:
    shop.wants("ada", engagement_score=10, churn_probability=0.25)
    shop.delivers()
    shop.tomorrow()
    shop.wants("ada", engagement_score=9, churn_probability=0.26)
    assert shop.delivers().status == "nothing_to_do"


def test_a_score_rides_along_when_something_else_changed(shop: Shop) -> None:
    shop.wants("ada", engagement_score=10)
    shop.delivers()
    shop.tomorrow()
    shop.wants("ada", engagement_score=9, first_name="Augusta")
    shop.delivers()
    (row,) = read(shop.folders()[1], "profiles.csv")
    assert (row["first_name"], row["engagement_score"]) == ("Augusta", "9")


def test_a_score_that_shall_not_ride_along_is_a_change(shop: Shop) -> None:
    shop.destinations = configured(properties={"engagement_score": {"ride_along": False}})
    shop.wants("ada", engagement_score=10)
    shop.delivers()
    shop.tomorrow()
    shop.wants("ada", engagement_score=9)
    assert shop.delivers().delivered == 1


def test_a_blank_that_becomes_an_empty_text_is_a_change(shop: Shop) -> None:
    shop.wants("ada", first_name=None)
    shop.delivers()
    shop.tomorrow()
    shop.wants("ada", first_name="")
    assert shop.delivers().delivered == 1


def test_values_that_move_to_the_next_field_are_a_change(shop: Shop) -> None:
    shop.wants("ada", first_name="x", engagement_tier="lapsing")
    shop.delivers()
    shop.tomorrow()
    shop.wants("ada", first_name="lapsing", engagement_tier="x")
    assert shop.delivers().delivered == 1


def test_properties_are_sent_under_the_names_of_the_configuration(shop: Shop) -> None:
    shop.destinations = configured(properties={"last_order_at": "Last order", "first_name": None})
    shop.wants("ada", last_order_at="2026-01-01 12:00:00")
    shop.delivers()
    (row,) = read(shop.folders()[0], "profiles.csv")
    assert list(row) == ["action", "profile_id", "email", "Last order", "first_name"]
    assert row["Last order"] == "2026-01-01T12:00:00.000000Z"


def test_a_field_that_is_renamed_is_sent_again_and_one_that_moves_is_not(shop: Shop) -> None:
    shop.wants("ada")
    shop.destinations = configured(properties={"first_name": "name", "engagement_tier": "tier"})
    shop.delivers()
    shop.destinations = configured(properties={"engagement_tier": "tier", "first_name": "name"})
    assert shop.delivers().status == "nothing_to_do"
    shop.destinations = configured(properties={"engagement_tier": "tier", "first_name": "called"})
    assert shop.delivers().delivered == 1


def test_a_segment_that_leaves_the_configuration_is_removed(shop: Shop) -> None:
    shop.wants("ada")
    shop.wants_in("win_back", "ada")
    shop.wants_in("birthday_week", "ada")
    shop.delivers()
    shop.destinations = configured(segments=["win_back"])
    shop.delivers()
    assert told(shop.folders()[1], "segment_members.csv") == [
        ("remove", "ada", "birthday_week", "")
    ]


def test_the_same_changes_have_the_same_plan_id(shop: Shop) -> None:
    shop.wants("ada")
    first, second = shop.delivers(dry_run=True).plan, shop.delivers(dry_run=True).plan
    shop.wants("bo")
    third = shop.delivers(dry_run=True).plan
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.plan_id == second.plan_id != third.plan_id


def test_a_plan_id_can_be_told_without_the_database(shop: Shop) -> None:
    # With properties that ride along alone, the fingerprint of every profile is 0.
    shop.destinations = configured(properties={"engagement_score": None})
    shop.wants("ada")
    shop.wants("bo")
    shop.wants_in("win_back", "bo", 'Books "and" Köln')
    plan = shop.delivers(dry_run=True).plan
    changes = [
        ["profile", "add", None, "ada", None, None, "0"],
        ["profile", "add", None, "bo", None, None, "0"],
        ["segment_member", "add", "win_back", "bo", 'Books "and" Köln', None, None],
    ]
    digest = 0
    for change in changes:
        text = json.dumps(change, ensure_ascii=False, separators=(",", ":"))
        digest ^= int.from_bytes(hashlib.md5(text.encode()).digest(), "little")
    assert plan is not None
    assert plan.plan_id == hashlib.sha256(f"file\n1\n{digest}".encode()).hexdigest()[:12]


def test_a_state_that_comes_back_is_another_delivery(shop: Shop) -> None:
    shop.wants("ada", first_name="Ada")
    shop.delivers()
    for name in ("Augusta", "Ada", "Augusta", "Ada"):
        shop.wants("ada", first_name=name)
        shop.delivers()
    assert [read(folder, "profiles.csv")[0]["first_name"] for folder in shop.folders()] == [
        "Ada",
        "Augusta",
        "Ada",
        "Augusta",
        "Ada",
    ]


def test_a_dry_run_tells_nobody_and_leaves_no_trace_in_the_ledger(shop: Shop) -> None:
    shop.wants("ada")
    shop.wants("bo")
    dry = shop.delivers(dry_run=True)
    assert dry.status == "dry_run"
    assert "profiles: 2 add" in dry.sentence
    assert shop.folders() == []
    assert dry.plan is not None
    assert [each.examples for each in dry.plan.changes] == [("ada", "bo")]
    assert shop.delivers().delivered == 2


def test_plans_are_kept_in_the_warehouse_without_addresses(shop: Shop) -> None:
    shop.wants("ada", "ada@shop.example")
    shop.wants_in("win_back", "ada")
    shop.delivers()
    assert shop.asks(
        "select run_id, kind, segment, action, changes, examples from reverse_etl.plans order by 2"
    ) == [
        ("run-1", "profile", None, "add", 1, ["ada"]),
        ("run-1", "segment_member", "win_back", "add", 1, ["ada"]),
    ]
    assert "@" not in str(shop.asks("from reverse_etl.plans"))
    assert "@" not in str(shop.asks("from reverse_etl.runs"))
    assert "@" not in str(shop.asks("from reverse_etl.receipts"))


def test_an_as_of_before_the_last_delivered_one_delivers_nothing(shop: Shop) -> None:
    shop.wants("ada")
    shop.tomorrow()
    shop.delivers()
    shop.now = shop.now.replace(day=1)
    shop.wants("bo")
    outcome = shop.delivers()
    assert outcome.status == "out_of_date"
    assert "2026-03-01T00:00:00Z lies before 2026-03-03T00:00:00Z" in outcome.sentence
    assert len(shop.folders()) == 1
    shop.now = shop.now.replace(day=4)
    assert shop.delivers().delivered == 1


def test_a_run_that_found_everything_up_to_date_counts_as_told(shop: Shop) -> None:
    shop.wants("ada")
    shop.delivers()
    shop.tomorrow()
    assert shop.delivers().status == "nothing_to_do"
    shop.now = shop.now.replace(hour=0, day=2)
    assert shop.delivers().status == "out_of_date"


def test_an_as_of_of_another_zone_is_the_same_instant(shop: Shop) -> None:
    shop.wants("ada")
    shop.connection.execute("set TimeZone = 'America/New_York'")
    shop.delivers()
    assert shop.asks("select as_of::varchar from reverse_etl.runs") == [("2026-03-02 00:00:00",)]


def test_two_profiles_with_one_address_stop_everything(shop: Shop) -> None:
    shop.wants("ada", "shared@example.com")
    shop.wants("bo", "Shared@example.com")
    with pytest.raises(SyncError, match="one address to several profiles, 1 times") as refused:
        shop.delivers()
    assert "@" not in str(refused.value)
    assert shop.folders() == []


def test_a_property_that_does_not_exist_is_named_with_those_that_do(shop: Shop) -> None:
    shop.destinations = configured(properties={"frist_name": None})
    with pytest.raises(ConfigurationError, match=r"frist_name.* it has: first_name, engagement_t"):
        shop.delivers()


def test_a_segment_that_does_not_exist_is_named_with_those_that_do(shop: Shop) -> None:
    shop.connection.execute("create table sync.segments as select 'win_back' as segment")
    shop.destinations = configured(segments=["winback"])
    with pytest.raises(ConfigurationError, match=r"segment winback, which .* it has: win_back"):
        shop.delivers()


def test_a_segment_without_members_today_is_no_mistake(shop: Shop) -> None:
    shop.connection.execute("create table sync.segments as select 'win_back' as segment")
    shop.destinations = configured(segments=["win_back"])
    shop.wants("ada")
    assert shop.delivers().status == "delivered"


def test_a_warehouse_without_models_says_how_to_build_them(shop: Shop) -> None:
    shop.connection.execute("drop table sync.segment_members")
    with pytest.raises(SyncError, match=r"sync\.segment_members .*mailmart run"):
        shop.delivers()
