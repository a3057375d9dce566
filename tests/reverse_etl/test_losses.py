"""A ledger that lost its memory asks somebody before it begins anew."""

from __future__ import annotations

import pytest

from tests.reverse_etl.shop import Shop, read, told


def have_told_ada_and_bo(shop: Shop) -> None:
    """Deliver Ada, who is in win_back, and Bo; then Bo says no."""
    shop.wants("ada")
    shop.wants("bo")
    shop.wants_in("win_back", "ada")
    shop.delivers()
    shop.tomorrow()
    shop.suppresses("bo")


def test_a_dropped_ledger_is_noticed_by_what_lies_in_the_outbox(shop: Shop) -> None:
    have_told_ada_and_bo(shop)
    shop.connection.execute("drop schema reverse_etl cascade")

    outcome = shop.delivers()

    assert outcome.status == "braked"
    assert (
        f"the ledger knows nothing of 1 delivery that file holds, such as {shop.folders()[0]}"
        in (outcome.sentence)
    )
    assert "Put the schema reverse_etl back from a backup" in outcome.sentence
    assert outcome.plan is not None
    assert f"mailmart sync --destination file --confirm-plan {outcome.plan.plan_id}" in (
        outcome.sentence
    )
    assert len(shop.folders()) == 1


def test_a_dropped_ledger_begins_anew_once_somebody_confirms_and_asks_no_more(shop: Shop) -> None:
    have_told_ada_and_bo(shop)
    shop.connection.execute("drop schema reverse_etl cascade")
    plan = shop.delivers().plan
    assert plan is not None

    assert shop.delivers(confirmed_plan_id=plan.plan_id).delivered == 2
    shop.wants("ada", first_name="Augusta")
    assert shop.delivers().status == "delivered"
    assert shop.delivers().status == "nothing_to_do"
    assert len(shop.folders()) == 3


def test_a_ledger_from_a_backup_is_older_than_the_outbox(shop: Shop) -> None:
    shop.wants("ada")
    shop.delivers()
    shop.connection.execute("create schema backup")
    tables = [
        name
        for (name,) in shop.asks(
            "select table_name from information_schema.tables where table_schema = 'reverse_etl'"
        )
    ]
    for table in tables:
        shop.connection.execute(f"create table backup.{table} as from reverse_etl.{table}")
    shop.wants("bo")
    shop.delivers()
    for table in tables:
        shop.connection.execute(
            f"delete from reverse_etl.{table}; insert into reverse_etl.{table} from backup.{table}"
        )
    shop.suppresses("bo")
    shop.wants("cy")

    outcome = shop.delivers()

    assert outcome.status == "braked"
    assert "the ledger knows nothing of 1 delivery" in outcome.sentence


def test_somebody_who_must_be_removed_is_waited_for_although_nothing_else_changed(
    shop: Shop,
) -> None:
    shop.wants("ada")
    shop.delivers()
    shop.suppresses("ada")
    shop.connection.execute("drop schema reverse_etl cascade")

    assert shop.delivers().status == "braked"


@pytest.mark.parametrize("way", ["drop table", "delete from"])
def test_a_ledger_without_its_profiles_removes_who_is_not_wanted_once_confirmed(
    shop: Shop, way: str
) -> None:
    have_told_ada_and_bo(shop)
    shop.connection.execute(f"{way} reverse_etl.acknowledged_profiles")

    braked = shop.delivers()
    assert braked.status == "braked"
    assert (
        "reverse_etl.acknowledged_profiles is empty, though by the receipts file holds 2 profiles"
        in braked.sentence
    )
    assert shop.delivers().status == "braked"
    assert braked.plan is not None

    assert shop.delivers(confirmed_plan_id=braked.plan.plan_id).status == "delivered"
    assert sorted(
        row["action"] + " " + row["profile_id"] for row in read(shop.folders()[-1], "profiles.csv")
    ) == ["change ada", "remove bo"]
    assert told(shop.folders()[-1], "suppressions.csv") == [("add", "bo", "unsubscribe")]
    assert shop.delivers().status == "nothing_to_do"


def test_a_ledger_without_its_members_removes_who_left_the_segment(shop: Shop) -> None:
    shop.wants("ada")
    shop.wants_in("win_back", "ada")
    shop.delivers()
    shop.leaves("win_back", "ada")
    shop.connection.execute("drop table reverse_etl.acknowledged_members")

    plan = shop.delivers().plan
    assert plan is not None
    shop.delivers(confirmed_plan_id=plan.plan_id)

    assert [row["action"] for row in read(shop.folders()[-1], "segment_members.csv")] == ["remove"]
    assert shop.delivers().status == "nothing_to_do"


def test_a_ledger_that_kept_only_whom_it_knows_tells_all_of_them_again(shop: Shop) -> None:
    have_told_ada_and_bo(shop)
    shop.connection.execute(
        "delete from reverse_etl.acknowledged_profiles; delete from reverse_etl.receipts;"
        "delete from reverse_etl.acknowledged_members"
    )

    braked = shop.delivers()

    assert "file was told of 2 profiles by 3 delivered changes" in braked.sentence
    assert braked.plan is not None
    shop.delivers(confirmed_plan_id=braked.plan.plan_id)
    assert {
        (row["action"], row["profile_id"]) for row in read(shop.folders()[-1], "profiles.csv")
    } == {("change", "ada"), ("remove", "bo")}


def test_a_ledger_that_forgot_whom_it_knows_still_tells_of_refusals(shop: Shop) -> None:
    have_told_ada_and_bo(shop)
    shop.connection.execute("drop table reverse_etl.known_profiles")

    braked = shop.delivers()
    assert "reverse_etl.known_profiles is empty, though file holds 2 profiles" in braked.sentence
    assert braked.plan is not None
    shop.delivers(confirmed_plan_id=braked.plan.plan_id)

    assert told(shop.folders()[-1], "suppressions.csv") == [("add", "bo", "unsubscribe")]


def test_a_ledger_that_forgot_its_runs_says_so(shop: Shop) -> None:
    have_told_ada_and_bo(shop)
    shop.connection.execute("drop table reverse_etl.runs")

    assert "reverse_etl.runs knows of no delivery to file, though there are 3 receipts" in (
        shop.delivers().sentence
    )


def test_a_destination_that_everybody_left_has_lost_nothing(shop: Shop) -> None:
    shop.wants("ada")
    shop.wants_in("win_back", "ada")
    shop.delivers()
    shop.forgets("ada")
    assert shop.delivers().delivered == 2
    assert shop.delivers().status == "nothing_to_do"
    shop.wants("ada")
    assert shop.delivers().status == "delivered"


def test_a_dry_run_over_a_lost_table_changes_nothing(shop: Shop) -> None:
    have_told_ada_and_bo(shop)
    shop.connection.execute("delete from reverse_etl.acknowledged_profiles")

    outcome = shop.delivers(dry_run=True)

    assert "it would wait for" in outcome.sentence
    assert shop.asks("from reverse_etl.acknowledged_profiles") == []


def test_an_outbox_of_another_destination_is_nobody_elses_memory(shop: Shop) -> None:
    (shop.outbox / "20260101T000000Z-crm_file-000001-0123456789ab").mkdir(parents=True)
    shop.wants("ada")
    assert shop.delivers().status == "delivered"
