"""A plan that changes too much waits for somebody to look."""

from __future__ import annotations

import re

from tests.reverse_etl.shop import Shop, configured


def have(shop: Shop, profiles: int, inactive: int = 0) -> None:
    """Want so many profiles, the first of them inactive, the rest lapsing."""
    shop.connection.execute("delete from sync.segment_members; delete from sync.profiles")
    shop.connection.execute(
        """
        insert into sync.profiles (profile_id, email, engagement_tier)
        select
            'p' || number, number || '@example.com',
            case when number < ? then 'inactive' else 'lapsing' end
        from range(?) as numbers(number)
        """,
        [inactive, profiles],
    )


def have_in(shop: Shop, segment: str, profiles: int) -> None:
    shop.connection.execute("delete from sync.segment_members where segment = ?", [segment])
    shop.connection.execute(
        """
        insert into sync.segment_members
        select ?, profile_id, email, null from sync.profiles order by profile_id limit ?
        """,
        [segment, profiles],
    )


def test_a_plan_that_removes_a_fifth_and_one_more_is_braked(shop: Shop) -> None:
    have(shop, 1000)
    shop.delivers()
    shop.tomorrow()
    have(shop, 799)
    outcome = shop.delivers()
    assert outcome.status == "braked"
    assert outcome.plan is not None
    assert "it removes 201 of 1,000 profiles (20.1%" in outcome.sentence
    assert (
        f"mailmart sync --destination file --confirm-plan {outcome.plan.plan_id}"
        in outcome.sentence
    )
    assert len(shop.folders()) == 1


def test_a_plan_that_removes_exactly_a_fifth_is_not(shop: Shop) -> None:
    have(shop, 1000)
    shop.delivers()
    have(shop, 800)
    assert shop.delivers().delivered == 200


def test_forty_profiles_may_all_leave(shop: Shop) -> None:
    have(shop, 40)
    shop.delivers()
    have(shop, 0)
    assert shop.delivers().delivered == 40


def test_a_hundred_may_leave_and_the_next_one_not(shop: Shop) -> None:
    have(shop, 300)
    shop.delivers()
    have(shop, 200)
    assert shop.delivers().status == "delivered"
    have(shop, 99)
    assert shop.delivers().status == "braked"


def test_a_segment_that_empties_is_braked_by_its_name(shop: Shop) -> None:
    have(shop, 1000)
    have_in(shop, "win_back", 200)
    have_in(shop, "birthday_week", 100)
    shop.delivers()
    have_in(shop, "win_back", 0)
    have_in(shop, "birthday_week", 0)
    outcome = shop.delivers()
    assert outcome.plan is not None
    assert [brake.subject for brake in outcome.plan.brakes] == ["segment win_back"]
    assert "it removes 200 of 200 members of win_back (100.0%" in outcome.sentence


def test_a_segment_of_the_last_day_may_empty_every_day(shop: Shop) -> None:
    """Who abandoned a cart yesterday is in the segment no more today, and that is no news."""
    shop.destinations = configured(brakes={"max_removed_share_by_segment": {"birthday_week": 1.0}})
    have(shop, 1000)
    have_in(shop, "birthday_week", 200)
    have_in(shop, "win_back", 200)
    shop.delivers()
    have_in(shop, "birthday_week", 0)
    assert shop.delivers().delivered == 200
    have_in(shop, "win_back", 0)
    assert shop.delivers().status == "braked"


def test_a_confirmed_plan_goes_through_once(shop: Shop) -> None:
    have(shop, 1000)
    shop.delivers()
    have(shop, 500)
    plan = shop.delivers().plan
    assert plan is not None
    assert shop.delivers(confirmed_plan_id=plan.plan_id).delivered == 500
    have(shop, 1000)
    shop.delivers()
    have(shop, 500)
    assert shop.delivers(confirmed_plan_id=plan.plan_id).status == "braked"


def test_a_confirmed_plan_that_has_become_another_waits_again(shop: Shop) -> None:
    have(shop, 1000)
    shop.delivers()
    have(shop, 500)
    plan = shop.delivers().plan
    assert plan is not None
    have(shop, 400)
    outcome = shop.delivers(confirmed_plan_id=plan.plan_id)
    assert outcome.status == "braked"
    assert f"the confirmed plan {plan.plan_id} is another" in outcome.sentence


def test_a_dry_run_says_what_the_brakes_would_say(shop: Shop) -> None:
    have(shop, 1000)
    shop.delivers()
    have(shop, 500)
    outcome = shop.delivers(dry_run=True)
    assert outcome.status == "dry_run"
    assert re.search(r"would wait for `mailmart sync .*`, because it removes 500", outcome.sentence)


def test_a_tier_mix_that_moved_by_more_than_fifteen_points_is_braked(shop: Shop) -> None:
    have(shop, 200, inactive=20)
    shop.delivers()
    have(shop, 200, inactive=51)
    outcome = shop.delivers()
    assert outcome.status == "braked"
    assert "the share of inactive went from 10.0% of 200 profiles to 25.5% of 200" in (
        outcome.sentence
    )


def test_a_tier_mix_that_moved_by_fifteen_points_is_not(shop: Shop) -> None:
    have(shop, 200, inactive=20)
    shop.delivers()
    have(shop, 200, inactive=50)
    assert shop.delivers().status == "delivered"


def test_the_tier_mix_of_few_profiles_stops_nobody(shop: Shop) -> None:
    have(shop, 99)
    shop.delivers()
    have(shop, 99, inactive=99)
    assert shop.delivers().status == "delivered"


def test_the_tier_mix_is_compared_with_what_was_delivered_not_with_what_was_braked(
    shop: Shop,
) -> None:
    have(shop, 200)
    shop.delivers()
    have(shop, 200, inactive=100)
    assert shop.delivers().status == "braked"
    assert shop.delivers().status == "braked"


def test_the_numbers_are_configuration(shop: Shop) -> None:
    shop.destinations = configured(
        brakes={"max_removed_share": 0.5, "min_removed": 2, "max_tier_shift": 1.0}
    )
    have(shop, 10)
    shop.delivers()
    have(shop, 5)
    assert shop.delivers().status == "delivered"
    have(shop, 2)
    assert shop.delivers().status == "braked"
