"""Each rule of the door behind the marts, with a good batch and a bad one."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from expectations import before_scoring, verdicts
from expectations.gate import Verdict
from expectations.settings import DoorSettings, SettingsError, read_settings
from tests.expectations.conftest import WriteSettings
from tests.expectations.world import (
    AS_OF,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    add_profile,
    add_profiles,
    insert,
    make_marts,
)

Connection = duckdb.DuckDBPyConnection

DAY = timedelta(days=1)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A warehouse whose marts know Ada, who reads."""
    with duckdb.connect() as connection:
        verdicts.prepare(connection)
        make_marts(connection)
        add_profile(connection)
        yield connection


def judge(
    connection: Connection,
    settings: DoorSettings,
    *,
    as_of: datetime = AS_OF,
    judged_at: datetime = WEDNESDAY,
) -> Verdict:
    return before_scoring.judge(connection, as_of=as_of, judged_at=judged_at, settings=settings)


def failed(verdict: Verdict) -> list[tuple[Any, ...]]:
    return [(f.rule, f.severity, f.observed) for f in verdict.findings if not f.passed]


def run(
    connection: Connection,
    settings: DoorSettings,
    *,
    day: int,
    as_of: datetime | None = None,
    **tiers: int,
) -> Verdict:
    """Build so many profiles of each tier some days after Tuesday, judge and record."""
    add_profiles(connection, **tiers)
    moment = TUESDAY + day * DAY
    verdict = judge(connection, settings, as_of=as_of or moment, judged_at=moment)
    verdicts.record(connection, verdict)
    return verdict


def test_a_good_build_passes_every_rule(connection: Connection, settings: DoorSettings) -> None:
    add_profile(
        connection,
        "bo",
        engagement_tier="inactive",
        inactive_reason="ignored",
        emails_opened_last_90_days=2,
        orders_last_90_days=1,
        lifetime_orders=3,
        last_order_at=MONDAY,
        last_engaged_at=AS_OF,
    )

    assert failed(judge(connection, settings)) == []


@pytest.mark.parametrize("tier", ["highly_engaged", "moderately_engaged", "lapsing"])
def test_every_tier_and_a_score_of_nothing_pass(
    connection: Connection, settings: DoorSettings, tier: str
) -> None:
    add_profile(connection, "bo", engagement_tier=tier, engagement_score=0.0)

    assert failed(judge(connection, settings)) == []


def test_nobody_at_all_passes(connection: Connection, settings: DoorSettings) -> None:
    connection.execute("delete from marts.dim_profiles")

    assert failed(judge(connection, settings)) == []


def test_what_was_never_built_is_stopped_not_broken(settings: DoorSettings) -> None:
    with duckdb.connect() as connection:
        verdict = judge(connection, settings)

    assert failed(verdict) == [("required_tables", "stop", 0), ("required_tables", "stop", 0)]
    assert "marts.dim_profiles is not there; build the marts" in verdict.sentence


@pytest.mark.parametrize("table", ["dim_profiles", "ftr_churn"])
def test_each_table_that_is_scored_from_must_be_there(
    connection: Connection, settings: DoorSettings, table: str
) -> None:
    connection.execute(f"drop table marts.{table}")

    verdict = judge(connection, settings)

    assert failed(verdict) == [("required_tables", "stop", 0)]
    assert f"marts.{table} is not there; build the marts" in verdict.sentence


# required_columns


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("marts.dim_profiles", "engagement_tier"),
        ("marts.dim_profiles", "links_clicked_last_90_days"),
        ("marts.ftr_churn", "cutoff_at"),
        ("intermediate.int_orders__versioned", "revenue_amount"),
    ],
)
def test_a_column_that_is_gone_is_named_and_stops(
    connection: Connection, settings: DoorSettings, table: str, column: str
) -> None:
    connection.execute(f"alter table {table} drop column {column}")

    verdict = judge(connection, settings)

    assert failed(verdict) == [("required_columns", "stop", 1)]
    assert f"{table} has no {column}; build the marts again" in verdict.sentence


def test_every_column_that_is_gone_counts(connection: Connection, settings: DoorSettings) -> None:
    connection.execute("alter table marts.ftr_churn drop column cutoff_at")
    connection.execute("alter table marts.ftr_churn drop column is_churned")

    verdict = judge(connection, settings)

    assert failed(verdict) == [("required_columns", "stop", 2)]
    assert "marts.ftr_churn has no cutoff_at and no is_churned" in verdict.sentence


# one_row_per_profile


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"profile_id": "ada"}, "0 have no profile_id or email, 1 repeat a profile_id and 0 an"),
        ({"email": "ada@example.com"}, "1 an email"),
        ({"email": ""}, "1 have no profile_id or email"),
        ({"profile_id": None}, "1 have no profile_id or email"),
    ],
)
def test_a_second_row_of_a_person_stops(
    connection: Connection, settings: DoorSettings, changes: dict[str, object], words: str
) -> None:
    add_profile(connection, "bo", **changes)

    verdict = judge(connection, settings)

    assert failed(verdict) == [("one_row_per_profile", "stop", 1)]
    assert words in verdict.sentence
    assert "@" not in verdict.sentence


# ranges


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"web_sessions_last_7_days": -1}, "1 with a negative web_sessions_last_7_days"),
        (
            {"emails_opened_last_7_days": 3, "emails_opened_last_90_days": 3},
            "more emails_opened_last_7_days than emails_opened_last_14_days",
        ),
        ({"links_clicked_last_30_days": 1}, "more links_clicked_last_30_days than"),
        (
            {"orders_last_90_days": 2, "lifetime_orders": 1, "last_order_at": MONDAY},
            "more orders_last_90_days than lifetime_orders",
        ),
        ({"last_engaged_at": AS_OF + timedelta(microseconds=1)}, "last_engaged_at after the as-of"),
        ({"first_seen_at": WEDNESDAY}, "first_seen_at after the as-of time"),
        ({"engagement_score": float("nan")}, "an engagement_score that is no number"),
        ({"engagement_score": float("inf")}, "an engagement_score that is no number"),
        ({"engagement_score": None}, "1 with no engagement_score"),
        ({"engagement_score": -0.5}, "1 with a negative engagement_score"),
        ({"engagement_tier": None}, "1 with an engagement_tier that is none of the four"),
        ({"engagement_tier": "asleep"}, "1 with an engagement_tier that is none of the four"),
        ({"engagement_tier": "inactive"}, "an inactive_reason where none belongs"),
        ({"inactive_reason": "new"}, "an inactive_reason where none belongs"),
        ({"lifetime_orders": 1}, "a last_order_at without an order, or an order without one"),
    ],
)
def test_a_measure_that_cannot_be_stops(
    connection: Connection, settings: DoorSettings, changes: dict[str, object], words: str
) -> None:
    add_profile(connection, "bo", **changes)

    verdict = judge(connection, settings)

    assert failed(verdict) == [("ranges", "stop", 1)]
    assert words in verdict.sentence


# orders_without_rate


def add_order(connection: Connection, currency: str | None, **changes: object) -> None:
    values: dict[str, object] = {
        "is_order": True,
        "currency": currency,
        "total_amount": 10,
        **changes,
    }
    insert(connection, "intermediate.int_orders__versioned", **values)


def test_orders_without_a_rate_warn_with_their_currencies(
    connection: Connection, settings: DoorSettings
) -> None:
    add_order(connection, "EUR", revenue_amount=10)
    for currency in ("SEK", "SEK", "JPY", None, "ada@example.com"):
        add_order(connection, currency)

    verdict = judge(connection, settings)

    assert failed(verdict) == [("orders_without_rate", "warn", 5)]
    assert verdict.warnings[0].sentence == (
        "5 of 6 orders are left out of revenue, their currency has no rate to the reporting "
        "currency (JPY, SEK, no currency, others); add the rates to the seed currency_rates."
    )


def test_what_is_no_order_needs_no_rate(connection: Connection, settings: DoorSettings) -> None:
    add_order(connection, "EUR", revenue_amount=10)
    add_order(connection, "SEK", is_order=False)
    add_order(connection, "SEK", superseded_at=TUESDAY)

    assert failed(judge(connection, settings)) == []


# fewer_profiles and tier_mix, which need a history


def test_a_first_build_has_nothing_to_be_compared_with(
    connection: Connection, settings: DoorSettings
) -> None:
    assert failed(run(connection, settings, day=0, lapsing=1000)) == []


def test_a_fifth_fewer_profiles_warns_and_more_than_that_stops(
    connection: Connection, settings: DoorSettings
) -> None:
    run(connection, settings, day=0, lapsing=1000)

    add_profiles(connection, lapsing=950)
    assert failed(judge(connection, settings)) == []
    add_profiles(connection, lapsing=800)
    warned = judge(connection, settings)
    assert failed(warned) == [("fewer_profiles", "warn", 0.2)]
    add_profiles(connection, lapsing=799)
    stopped = judge(connection, settings)
    assert [f.rule for f in stopped.stops] == ["fewer_profiles"]
    assert (
        "marts.dim_profiles has 799 rows, 20.1% fewer than the 1000 of the last good batch (judged "
        "2026-03-03 06:00 UTC) (allowed are 20.0%); look at what the newest load changed; if it is "
        "right, set before_scoring.fewer_profiles.reviewed_until in expectations/doors.yml to "
        "2026-03-03T06:00:01Z"
    ) in stopped.sentence


def test_forty_profiles_are_too_few_for_shares(
    connection: Connection, settings: DoorSettings
) -> None:
    run(connection, settings, day=0, lapsing=40)

    assert failed(run(connection, settings, day=1, inactive=4)) == []


def test_a_build_that_was_stopped_is_none_to_compare_with(
    connection: Connection, settings: DoorSettings
) -> None:
    run(connection, settings, day=0, lapsing=1000)
    assert run(connection, settings, day=1, lapsing=10).stopped
    assert run(connection, settings, day=2, lapsing=10).stopped

    assert failed(run(connection, settings, day=3, lapsing=1001)) == []


def test_what_somebody_has_looked_at_is_the_new_measure(
    connection: Connection, settings: DoorSettings, doors_file: WriteSettings
) -> None:
    run(connection, settings, day=0, lapsing=1000)
    assert run(connection, settings, day=1, lapsing=500).stopped

    old = "rows_at_least: 100}\n    reviewed_until: null"
    reviewed = read_settings(doors_file(old, old.replace("null", "2026-03-03T06:00:01Z")))
    assert failed(run(connection, reviewed, day=2, lapsing=500)) == []
    assert run(connection, reviewed, day=3, lapsing=300).stopped


def test_nobody_has_looked_at_a_change_of_the_future(
    connection: Connection, doors_file: WriteSettings
) -> None:
    old = "rows_at_least: 100}\n    reviewed_until: null"
    settings = read_settings(doors_file(old, old.replace("null", "2999-01-01T00:00:00Z")))

    with pytest.raises(SettingsError, match=r"before_scoring\.fewer_profiles\.reviewed_until"):
        judge(connection, settings)


def test_a_tier_mix_that_moves_warns_and_one_that_jumps_stops(
    connection: Connection, settings: DoorSettings
) -> None:
    run(connection, settings, day=0, lapsing=500, inactive=500)

    add_profiles(connection, lapsing=375, inactive=625)
    assert failed(judge(connection, settings, as_of=WEDNESDAY)) == []
    add_profiles(connection, lapsing=250, inactive=750)
    assert failed(judge(connection, settings, as_of=WEDNESDAY)) == [("tier_mix", "warn", 0.25)]
    add_profiles(connection, lapsing=125, inactive=875)
    verdict = judge(connection, settings, as_of=WEDNESDAY)
    assert [(f.rule, f.observed) for f in verdict.stops] == [("tier_mix", 0.375)]
    assert "the share of inactive profiles moved from 50.0% to 87.5% since" in verdict.sentence


def test_a_tier_that_nobody_is_in_any_more_has_moved(
    connection: Connection, settings: DoorSettings
) -> None:
    run(connection, settings, day=0, lapsing=200, inactive=100, highly_engaged=200)

    verdict = run(connection, settings, day=1, lapsing=400, inactive=100)

    assert failed(verdict)[-1] == ("tier_mix", "stop", pytest.approx(0.4))


def test_a_mix_of_long_ago_is_none_to_compare_with(
    connection: Connection, settings: DoorSettings
) -> None:
    run(connection, settings, day=0, lapsing=500, inactive=500)

    assert failed(run(connection, settings, day=9, inactive=1000)) == []


def test_an_as_of_that_goes_back_is_not_compared(
    connection: Connection, settings: DoorSettings
) -> None:
    run(connection, settings, day=0, lapsing=1000)

    earlier = datetime.fromisoformat("2011-12-10")
    connection.execute("update marts.dim_profiles set first_seen_at = $1", [earlier])
    add_profiles(connection)
    assert failed(run(connection, settings, day=1, as_of=earlier)) == []


def test_after_an_as_of_that_went_back_the_newest_one_counts(
    connection: Connection, settings: DoorSettings
) -> None:
    run(connection, settings, day=0, lapsing=1000)
    run(connection, settings, day=1, as_of=MONDAY, inactive=200)

    assert failed(run(connection, settings, day=2, lapsing=1000)) == []
    assert run(connection, settings, day=3, lapsing=200).stopped
