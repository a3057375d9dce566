"""Each rule of the door behind the loader, with a good batch and a bad one."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from expectations import after_loading, verdicts
from expectations.gate import Finding, Verdict
from expectations.raw_tables import EXPECTED, REQUIRED, is_stored_as
from expectations.settings import DoorSettings, SettingsError, read_settings
from ingestion import contract
from tests.expectations.conftest import WriteSettings
from tests.expectations.world import (
    AS_OF,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    add,
    add_email_event,
    add_file,
    add_rejected_row,
    fill,
    make_raw_tables,
)

Connection = duckdb.DuckDBPyConnection


def judge(
    connection: Connection,
    settings: DoorSettings,
    *,
    as_of: datetime = AS_OF,
    judged_at: datetime = TUESDAY + timedelta(hours=1),
) -> Verdict:
    return after_loading.judge(connection, as_of=as_of, judged_at=judged_at, settings=settings)


def failed(verdict: Verdict) -> list[tuple[str, str, str]]:
    return [(f.rule, f.table, f.severity) for f in verdict.findings if not f.passed]


def finding(verdict: Verdict, rule: str, table: str, severity: str) -> Finding:
    (found,) = (
        f for f in verdict.findings if (f.rule, f.table, f.severity) == (rule, table, severity)
    )
    return found


def test_a_good_batch_passes_every_rule(connection: Connection, settings: DoorSettings) -> None:
    verdict = judge(connection, settings)

    assert failed(verdict) == []
    assert not verdict.stopped
    assert verdict.sentence.startswith("the door after_loading let the batch through")


def test_forty_profiles_pass(connection: Connection, settings: DoorSettings) -> None:
    for number in range(40):
        add(
            connection,
            "contacts",
            contact_id=str(number),
            email=f"reader{number}@example.com",
            updated_at=MONDAY,
            _loaded_at=TUESDAY,
        )
        add_email_event(connection, email=f"reader{number}@example.com")
    add_file(connection, "contacts", "all.csv", loaded=40)
    add_file(connection, "email_events", "day.csv", loaded=41)

    assert failed(judge(connection, settings)) == []


def test_a_batch_of_fifteen_years_ago_passes_at_its_own_as_of(
    connection: Connection, settings: DoorSettings
) -> None:
    connection.execute("delete from raw.email_events")
    add_email_event(connection, occurred_at=datetime.fromisoformat("2011-12-09T12:00:00"))

    assert failed(judge(connection, settings, as_of=datetime.fromisoformat("2011-12-10"))) == []


# required_tables


def test_contacts_alone_are_enough(connection: Connection, settings: DoorSettings) -> None:
    connection.execute("delete from raw.email_events")
    add(connection, "contacts", contact_id="1", updated_at=MONDAY, _loaded_at=TUESDAY)

    assert failed(judge(connection, settings)) == []


def test_nothing_loaded_stops(connection: Connection, settings: DoorSettings) -> None:
    connection.execute("delete from raw.email_events")

    verdict = judge(connection, settings)

    assert failed(verdict) == [("required_tables", "email_events, contacts", "stop")]
    assert "nothing was loaded: raw.email_events and raw.contacts hold no row" in verdict.sentence


def test_a_warehouse_without_a_raw_table_is_stopped_not_broken(settings: DoorSettings) -> None:
    with duckdb.connect() as connection:
        assert failed(judge(connection, settings)) == [
            ("required_tables", "email_events, contacts", "stop")
        ]


# rejected_rows


def test_exactly_a_tenth_of_the_rows_may_be_rejected(
    connection: Connection, settings: DoorSettings
) -> None:
    add_file(connection, "orders", "day.csv", loaded=225, rejected=25)

    verdict = judge(connection, settings)

    assert failed(verdict) == [("rejected_rows", "orders", "warn")]
    assert finding(verdict, "rejected_rows", "orders", "stop").observed == pytest.approx(0.1)


def test_more_than_a_tenth_of_rejected_rows_stops(
    connection: Connection, settings: DoorSettings
) -> None:
    add_file(connection, "orders", "monday.csv", loaded=100, rejected=6)
    add_file(connection, "orders", "tuesday.csv", loaded=100, rejected=24)
    add_rejected_row(connection, "orders", "B7;bo@example.com;?", path="tuesday.csv", row=12)
    add_rejected_row(connection, "orders", "B9;bo@example.com;?", path="monday.csv", row=31)

    verdict = judge(connection, settings)

    assert verdict.stopped
    assert [f.rule for f in verdict.stops] == ["rejected_rows"]
    assert verdict.warnings == ()
    assert "30 of 230 rows loaded into raw.orders" in verdict.sentence
    assert "(13.0%, allowed are 10.0%), the first is row 31 of monday.csv" in verdict.sentence
    assert "raw.rejected_rows" in verdict.sentence
    assert (
        "set after_loading.rejected_rows.reviewed_until in expectations/doors.yml "
        "to 2026-03-03T06:00:00Z"
    ) in verdict.sentence
    assert "example.com" not in verdict.sentence


def test_a_few_rejected_rows_of_a_small_file_only_warn(
    connection: Connection, settings: DoorSettings
) -> None:
    add_file(connection, "orders", "day.csv", loaded=16, rejected=24)

    verdict = judge(connection, settings)

    assert failed(verdict) == [("rejected_rows", "orders", "warn")]
    assert [f.table for f in verdict.warnings] == ["orders"]
    assert verdict.sentence.endswith(", 1 with a warning.")


def test_one_rejected_row_in_a_hundred_does_not_even_warn(
    connection: Connection, settings: DoorSettings
) -> None:
    add_file(connection, "orders", "day.csv", loaded=99, rejected=1)

    assert failed(judge(connection, settings)) == []


def test_a_door_that_stopped_stays_shut_when_the_command_is_run_again(
    connection: Connection, settings: DoorSettings
) -> None:
    add_file(connection, "orders", "day.csv", loaded=70, rejected=30)
    for hours in (1, 2, 3):
        verdict = judge(connection, settings, judged_at=TUESDAY + timedelta(hours=hours))
        verdicts.record(connection, verdict)
        assert verdict.stopped


def test_good_rows_loaded_after_bad_ones_open_the_door(
    connection: Connection, settings: DoorSettings
) -> None:
    add_file(connection, "orders", "day.csv", loaded=70, rejected=30)
    verdicts.record(connection, judge(connection, settings))
    add_file(connection, "orders", "mended.csv", loaded=200, loaded_at=WEDNESDAY)

    assert not judge(connection, settings, judged_at=WEDNESDAY).stopped


def test_what_passed_once_counts_no_more(connection: Connection, settings: DoorSettings) -> None:
    add_file(connection, "orders", "day.csv", loaded=100_000, rejected=0)
    verdicts.record(connection, judge(connection, settings))
    add_file(connection, "orders", "broken.csv", loaded=70, rejected=30, loaded_at=WEDNESDAY)

    verdict = judge(connection, settings, judged_at=WEDNESDAY)

    assert finding(verdict, "rejected_rows", "orders", "stop").observed == pytest.approx(0.3)
    assert verdict.stopped


def test_a_pass_with_a_warning_is_a_pass(connection: Connection, settings: DoorSettings) -> None:
    add_file(connection, "orders", "day.csv", loaded=95, rejected=5)
    verdicts.record(connection, judge(connection, settings))

    verdict = judge(connection, settings, judged_at=WEDNESDAY)

    assert finding(verdict, "rejected_rows", "orders", "warn").observed == 0


def test_files_that_somebody_has_looked_at_count_no_more(
    connection: Connection, doors_file: WriteSettings
) -> None:
    add_file(connection, "orders", "day.csv", loaded=70, rejected=30, loaded_at=TUESDAY)
    rule = "stop: {share_at_most: 0.10, rows_at_least: 25}\n    reviewed_until: "
    settings = read_settings(doors_file(f"{rule}null", f"{rule}2026-03-03T06:00:00Z"))

    assert failed(judge(connection, settings)) == []


def test_nobody_has_looked_at_rows_of_the_future(
    connection: Connection, doors_file: WriteSettings
) -> None:
    settings = read_settings(
        doors_file("reviewed_until: null", "reviewed_until: 2999-01-01T00:00:00Z")
    )

    with pytest.raises(SettingsError, match=r"rejected_rows.reviewed_until: .* in the future"):
        judge(connection, settings)


def test_what_is_set_for_the_last_door_is_refused_at_the_first(
    connection: Connection, doors_file: WriteSettings
) -> None:
    old = "rejected_opt_outs:\n    stop: {rows_at_most: 0}\n    reviewed_until: "
    settings = read_settings(doors_file(f"{old}null", f"{old}2999-01-01T00:00:00Z"))

    with pytest.raises(SettingsError, match=r"before_delivery.rejected_opt_outs.reviewed_until"):
        judge(connection, settings)


# rejected_files


def test_loaded_files_raise_no_warning(connection: Connection, settings: DoorSettings) -> None:
    add_file(connection, "orders", "day.parquet", loaded=3)

    verdict = judge(connection, settings)

    assert finding(verdict, "rejected_files", "orders", "warn").observed == 0
    assert failed(verdict) == []


def test_a_file_rejected_whole_warns_until_it_is_loaded(
    connection: Connection, settings: DoorSettings
) -> None:
    add_file(connection, "orders", "b.parquet", status="rejected")
    add_file(connection, "orders", "a.parquet", status="changed")

    first = judge(connection, settings)
    verdicts.record(connection, first)
    second = judge(connection, settings, judged_at=WEDNESDAY)

    assert failed(first) == failed(second) == [("rejected_files", "orders", "warn")]
    warning = finding(first, "rejected_files", "orders", "warn")
    assert warning.observed == 2
    assert warning.sentence.startswith(
        "2 files of raw.orders not loaded, the first, a.parquet, changed after it was loaded;"
    )

    add_file(connection, "orders", "a.parquet", loaded=1, loaded_at=WEDNESDAY)
    add_file(connection, "orders", "b.parquet", loaded=1, loaded_at=WEDNESDAY)
    assert failed(judge(connection, settings, judged_at=WEDNESDAY)) == []


def test_a_file_named_after_a_person_is_not_named_in_full(
    connection: Connection, settings: DoorSettings
) -> None:
    add_file(connection, "consents", "2026/cy@example.com.csv", status="rejected")

    verdict = judge(connection, settings)

    assert "the first, 2026/*** was rejected whole" in verdict.warnings[0].sentence


# fewer_rows and more_rows

MORNING = WEDNESDAY + timedelta(days=1)


def load(
    connection: Connection,
    settings: DoorSettings,
    visits: int,
    *,
    at: datetime,
    as_of: datetime | None = None,
) -> Verdict:
    """Load so many web events and one order, judge and record."""
    connection.execute(
        """
        insert into raw.web_events by name
        select
            'page_view' as event_type, 'cookie' as anonymous_id,
            $at::timestamp as occurred_at, $at::timestamp as _loaded_at
        from range($visits)
        """,
        {"at": at, "visits": visits},
    )
    if visits:
        add(
            connection,
            "orders",
            order_id="A1",
            email="ada@example.com",
            ordered_at=at,
            total_amount=9,
            _loaded_at=at,
        )
    verdict = judge(connection, settings, as_of=as_of or at, judged_at=at)
    verdicts.record(connection, verdict)
    return verdict


@pytest.fixture(scope="module")
def judged_week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse after a week of loads; fourteen judgements take seconds, so tests copy it."""
    file = tmp_path_factory.mktemp("week") / "week.duckdb"
    with duckdb.connect(str(file)) as connection:
        fill(connection)
        for day, visits in enumerate((2000, 1000, 1500, 1500, 1500, 1500, 1500)):
            load(connection, read_settings(), visits, at=MORNING + timedelta(days=day))
            load(connection, read_settings(), 0, at=MORNING + timedelta(days=day, hours=1))
    return file


@pytest.fixture
def week(judged_week: Path, tmp_path: Path) -> Iterator[Connection]:
    """Seven mornings on which 2000, 1000, 1500 … 1500 web events came, and nothing in between."""
    with duckdb.connect(str(shutil.copy2(judged_week, tmp_path))) as connection:
        yield connection


DAY_8 = MORNING + timedelta(days=7)


@pytest.mark.parametrize(
    ("visits", "expected"),
    [
        (500, []),
        (499, [("fewer_rows", "web_events", "warn")]),
        (100, [("fewer_rows", "web_events", "warn")]),
        (99, [("fewer_rows", "web_events", "warn"), ("fewer_rows", "web_events", "stop")]),
        (4000, []),
        (4001, [("more_rows", "web_events", "warn")]),
        (20_000, [("more_rows", "web_events", "warn")]),
        (20_001, [("more_rows", "web_events", "warn"), ("more_rows", "web_events", "stop")]),
    ],
)
def test_a_load_that_no_day_of_the_week_was_like_warns_and_one_far_off_stops(
    week: Connection, settings: DoorSettings, visits: int, expected: list[tuple[str, str, str]]
) -> None:
    assert failed(load(week, settings, visits, at=DAY_8)) == expected


def test_a_load_far_off_says_what_came_and_what_came_before(
    week: Connection, settings: DoorSettings
) -> None:
    verdict = load(week, settings, 40, at=DAY_8)

    assert (
        "fewer_rows: 40 rows came into raw.web_events, 1000 in the smallest of the last 7 loads "
        "(allowed are 90% fewer); look in the landing folder whether a file is missing; if it is "
        "right, set after_loading.fewer_rows.reviewed_until in expectations/doors.yml to "
        "2026-03-11T06:00:01Z, and a new history begins"
    ) in verdict.sentence


def test_a_load_far_above_says_how_many_times_as_many_there_may_be(
    week: Connection, settings: DoorSettings
) -> None:
    verdict = load(week, settings, 20_001, at=DAY_8)

    assert (
        "more_rows: 20001 rows came into raw.web_events, 2000 in the largest of the last 7 loads "
        "(allowed are 10 times as many); look in the landing folder"
    ) in verdict.sentence


def test_a_first_load_is_not_told_what_it_may_be_beside_others(
    connection: Connection, settings: DoorSettings
) -> None:
    verdict = load(connection, settings, 40, at=MORNING)

    facts = [f.sentence for f in verdict.findings if f.rule in ("fewer_rows", "more_rows")]
    assert facts
    assert [fact for fact in facts if "allowed" in fact] == []


def test_a_table_that_nothing_came_into_stops_where_other_tables_were_loaded(
    week: Connection, settings: DoorSettings
) -> None:
    add_order(week, "paid")
    week.execute("update raw.orders set _loaded_at = $1 where status = 'paid'", [DAY_8])

    assert load(week, settings, 0, at=DAY_8).stopped


def test_a_run_that_brought_nothing_is_no_load(week: Connection, settings: DoorSettings) -> None:
    assert failed(load(week, settings, 0, at=DAY_8)) == []


def test_a_load_that_was_stopped_opens_when_what_was_missing_has_come(
    week: Connection, settings: DoorSettings
) -> None:
    assert load(week, settings, 10, at=DAY_8).stopped
    assert load(week, settings, 0, at=DAY_8 + timedelta(hours=1)).stopped

    assert failed(load(week, settings, 1490, at=DAY_8 + timedelta(hours=2))) == []


def test_a_mended_file_an_hour_after_the_days_load_is_not_too_few(
    week: Connection, settings: DoorSettings
) -> None:
    load(week, settings, 1500, at=DAY_8)

    assert failed(load(week, settings, 3, at=DAY_8 + timedelta(hours=1))) == []


def test_six_loads_are_no_history_however_far_off_the_seventh_is(
    connection: Connection, settings: DoorSettings
) -> None:
    # The first brought years, as it does.
    for day, visits in enumerate((90_000, 10, 10, 10, 10, 10, 50_000)):
        verdict = load(connection, settings, visits, at=MORNING + timedelta(days=day))
        assert failed(verdict) == []


def test_loads_of_forty_rows_are_too_few_to_speak_of_shares(
    connection: Connection, settings: DoorSettings
) -> None:
    for day, visits in enumerate((40, 99, 40, 40, 40, 40, 40, 4, 99)):
        verdict = load(connection, settings, visits, at=MORNING + timedelta(days=day))
        assert failed(verdict) == []


def test_a_load_of_an_as_of_that_goes_back_is_not_compared(
    week: Connection, settings: DoorSettings
) -> None:
    verdict = load(week, settings, 1, at=DAY_8, as_of=DAY_8 - timedelta(days=9))

    assert [f for f in failed(verdict) if f[0].endswith("_rows")] == []


def test_a_change_that_somebody_found_right_begins_a_new_history(
    week: Connection, settings: DoorSettings, doors_file: WriteSettings
) -> None:
    assert load(week, settings, 10, at=DAY_8).stopped
    old = "stop: {share_at_most: 0.90, rows_at_least: 1000, loads: 7}\n    reviewed_until: "
    until = (DAY_8 - timedelta(days=1) + timedelta(seconds=1)).isoformat()
    reviewed = read_settings(doors_file(f"{old}null", f"{old}{until}Z"))

    for day in range(9):
        assert failed(load(week, reviewed, 10, at=DAY_8 + timedelta(days=day, hours=1))) == []


def test_rows_of_another_loader_are_counted_too(week: Connection, settings: DoorSettings) -> None:
    week.execute("drop table raw.loaded_files")

    assert load(week, settings, 10, at=DAY_8).stopped


# freshness


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(days=7), []),
        (timedelta(days=7, seconds=1), ["warn"]),
        (timedelta(days=760), ["warn"]),
        (timedelta(days=760, seconds=1), ["warn", "stop"]),
    ],
)
def test_old_events_warn_and_very_old_ones_stop(
    connection: Connection, settings: DoorSettings, age: timedelta, expected: list[str]
) -> None:
    verdict = judge(connection, settings, as_of=MONDAY + age)

    assert [f.severity for f in verdict.findings if not f.passed] == expected


def test_the_newest_of_emails_visits_and_orders_counts(
    connection: Connection, settings: DoorSettings
) -> None:
    as_of = MONDAY + timedelta(days=30)
    add(
        connection,
        "orders",
        order_id="A1",
        email="ada@example.com",
        ordered_at=as_of - timedelta(days=3),
        total_amount=9,
        _loaded_at=TUESDAY,
    )

    verdict = judge(connection, settings, as_of=as_of)

    assert failed(verdict) == []
    assert finding(
        verdict, "freshness", "email_events, web_events, orders", "stop"
    ).observed == pytest.approx(3)


def test_events_after_the_as_of_are_not_seen(
    connection: Connection, settings: DoorSettings
) -> None:
    add_email_event(connection, occurred_at=MONDAY - timedelta(days=20))

    verdict = judge(connection, settings, as_of=MONDAY - timedelta(days=1))

    assert [f.observed for f in verdict.warnings] == [pytest.approx(19)]


def test_no_event_before_the_as_of_is_nothing_to_judge(
    connection: Connection, settings: DoorSettings
) -> None:
    verdict = judge(connection, settings, as_of=MONDAY - timedelta(days=1))

    assert failed(verdict) == []
    rule = finding(verdict, "freshness", "email_events, web_events, orders", "stop")
    assert rule.observed is None


def test_an_as_of_with_an_offset_is_the_same_instant(
    connection: Connection, settings: DoorSettings
) -> None:
    connection.execute("set TimeZone = 'America/New_York'")
    as_of = (MONDAY + timedelta(days=2)).replace(tzinfo=UTC).astimezone()

    verdict = judge(connection, settings, as_of=as_of)

    rule = finding(verdict, "freshness", "email_events, web_events, orders", "stop")
    assert rule.observed == pytest.approx(2)


# known words


def add_web_event(connection: Connection, event_type: str) -> None:
    add(
        connection,
        "web_events",
        event_type=event_type,
        occurred_at=MONDAY,
        anonymous_id="cookie",
        _loaded_at=TUESDAY,
    )


def add_order(connection: Connection, status: str | None) -> None:
    add(
        connection,
        "orders",
        order_id="A1",
        email="ada@example.com",
        ordered_at=MONDAY,
        total_amount=9,
        status=status,
        _loaded_at=TUESDAY,
    )


def add_consent(connection: Connection, status: str, purpose: str = "email_marketing") -> None:
    add(
        connection,
        "consents",
        email="ada@example.com",
        purpose=purpose,
        status=status,
        recorded_at=MONDAY,
        _loaded_at=TUESDAY,
    )


def test_the_words_of_the_contract_are_known(
    connection: Connection, settings: DoorSettings
) -> None:
    for event_type in contract_values("email_events", "event_type"):
        add_email_event(connection, event_type)
    for bounce_type in ("hard", "Soft", " HARD ", None, "", " "):
        add_email_event(connection, "bounce", bounce_type=bounce_type)
    for event_type in ("page_view", "product_view", "add_to_cart", "form_submit"):
        add_web_event(connection, event_type)
    for status in ("placed", "paid", "cancelled", "refunded", None, ""):
        add_order(connection, status)
    for status in contract_values("consents", "status"):
        add_consent(connection, status)

    assert failed(judge(connection, settings)) == []


def test_an_unknown_web_event_type_warns_with_its_share(
    connection: Connection, settings: DoorSettings
) -> None:
    for event_type in ("scroll", "scroll", "scroll", "page_viewed"):
        add_web_event(connection, event_type)

    verdict = judge(connection, settings)

    assert failed(verdict) == [("known_web_event_types", "web_events", "warn")]
    assert verdict.warnings[0].observed == pytest.approx(0.25)
    assert verdict.warnings[0].sentence.startswith(
        "1 of 4 rows in raw.web_events (25.0%) have an unknown event_type, "
        'most often "page_viewed";'
    )


def test_an_unknown_email_event_type_stops(connection: Connection, settings: DoorSettings) -> None:
    add_email_event(connection, "group_unsubscribe")

    verdict = judge(connection, settings)

    assert failed(verdict) == [("known_email_event_types", "email_events", "stop")]
    assert 'most often "group_unsubscribe"' in verdict.sentence


def test_a_word_that_may_be_a_person_is_not_shown(
    connection: Connection, settings: DoorSettings
) -> None:
    add_email_event(connection, "bo@example.com")

    verdict = judge(connection, settings)

    assert verdict.stopped
    assert "bo@" not in verdict.sentence


def test_a_bounce_that_is_neither_hard_nor_soft_stops(
    connection: Connection, settings: DoorSettings
) -> None:
    add_email_event(connection, "bounce", bounce_type="permanent")

    assert failed(judge(connection, settings)) == [("known_bounce_types", "email_events", "stop")]


def test_the_bounce_type_of_what_is_no_bounce_does_not_matter(
    connection: Connection, settings: DoorSettings
) -> None:
    add_email_event(connection, "delivered", bounce_type="none")

    assert failed(judge(connection, settings)) == []


def test_an_unknown_order_status_warns(connection: Connection, settings: DoorSettings) -> None:
    add_order(connection, "paid")
    add_order(connection, "shipped")

    verdict = judge(connection, settings)

    assert failed(verdict) == [("known_order_statuses", "orders", "warn")]
    assert verdict.warnings[0].observed == pytest.approx(0.5)


def test_an_unknown_consent_status_stops(connection: Connection, settings: DoorSettings) -> None:
    add_consent(connection, "revoked")

    assert failed(judge(connection, settings)) == [("known_consent_statuses", "consents", "stop")]


def test_an_unknown_purpose_of_a_consent_warns(
    connection: Connection, settings: DoorSettings
) -> None:
    for purpose in ("Profiling", "email_marketing ", "newsletter"):
        add_consent(connection, "granted", purpose)

    verdict = judge(connection, settings)

    assert failed(verdict) == [("known_consent_purposes", "consents", "warn")]
    assert verdict.warnings[0].observed == pytest.approx(1 / 3)


# required_values and column_types, for another loader than ours


def test_rows_without_a_required_value_stop(connection: Connection, settings: DoorSettings) -> None:
    add_email_event(connection, email=None)
    add_email_event(connection, None)
    add_email_event(connection, None, email=None)
    add(connection, "web_events", event_type="scroll", occurred_at=MONDAY, _loaded_at=TUESDAY)

    verdict = judge(connection, settings)

    assert failed(verdict) == [
        ("required_values", "email_events", "stop"),
        ("required_values", "web_events", "stop"),
    ]
    emails, visits = verdict.stops
    assert emails.observed == 4
    assert "2 without event_type, 2 without email" in emails.sentence
    assert "1 without anonymous_id or email" in visits.sentence
    assert "(1 more in raw.door_verdicts)" in verdict.sentence


def test_an_empty_text_is_no_required_value(connection: Connection, settings: DoorSettings) -> None:
    add_email_event(connection, email="")
    add_consent(connection, "")
    add(
        connection,
        "web_events",
        event_type="scroll",
        occurred_at=MONDAY,
        anonymous_id="",
        _loaded_at=TUESDAY,
    )

    verdict = judge(connection, settings)

    assert [(f.rule, f.table, f.observed) for f in verdict.stops] == [
        ("required_values", "email_events", 1),
        ("required_values", "web_events", 1),
        ("required_values", "consents", 1),
    ]
    assert "1 without anonymous_id or email" in verdict.stops[1].sentence


def test_a_blank_status_of_a_consent_is_not_understood(
    connection: Connection, settings: DoorSettings
) -> None:
    add_consent(connection, " ")

    assert failed(judge(connection, settings)) == [("known_consent_statuses", "consents", "stop")]


def test_a_visitor_needs_a_cookie_or_an_address_not_both(
    connection: Connection, settings: DoorSettings
) -> None:
    for known in ({"anonymous_id": "cookie"}, {"email": "ada@example.com"}):
        add(
            connection,
            "web_events",
            event_type="scroll",
            occurred_at=MONDAY,
            _loaded_at=TUESDAY,
            **known,
        )

    assert failed(judge(connection, settings)) == []


def test_columns_of_another_type_or_missing_stop(
    connection: Connection, settings: DoorSettings
) -> None:
    connection.execute("alter table raw.orders alter total_amount type varchar")
    connection.execute("alter table raw.orders alter ordered_at type timestamptz")
    connection.execute("alter table raw.orders drop currency")

    verdict = judge(connection, settings)

    assert failed(verdict) == [("column_types", "orders", "stop")]
    assert verdict.stops[0].observed == 3
    assert (
        "raw.orders differs from the contract in 3 columns: "
        "ordered_at is TIMESTAMP WITH TIME ZONE, not timestamp, currency is missing, "
        "total_amount is VARCHAR, not decimal"
    ) in verdict.sentence


def test_another_loader_may_spell_columns_in_capitals(
    connection: Connection, settings: DoorSettings
) -> None:
    connection.execute("alter table raw.email_events rename event_type to EVENT_TYPE")

    assert failed(judge(connection, settings)) == []


def test_another_loader_may_leave_out_what_only_ours_keeps(settings: DoorSettings) -> None:
    with duckdb.connect() as connection:
        make_raw_tables(connection)
        connection.execute("drop table raw.loaded_files")
        connection.execute("drop table raw.rejected_rows")
        connection.execute("drop table raw.campaigns")
        for table in ("email_events", "orders"):
            connection.execute(f"alter table raw.{table} drop _file")
            connection.execute(f"alter table raw.{table} drop _row")
        connection.execute("alter table raw.orders alter total_amount type double")
        add_email_event(connection)

        assert failed(judge(connection, settings)) == []


# the contract, told twice


def contract_values(table: str, column: str) -> tuple[str, ...]:
    (found,) = (c.values for c in contract.TABLES[table].columns if c.name == column)
    return found


def test_the_door_expects_the_columns_of_the_contract() -> None:
    assert list(EXPECTED) == list(contract.TABLES)
    for name, table in contract.TABLES.items():
        wanted = {c.name: c.type.partition("(")[0] for c in table.columns}
        assert EXPECTED[name] == wanted | {"_loaded_at": "timestamp"}


def test_the_door_requires_what_the_contract_requires() -> None:
    for name, table in contract.TABLES.items():
        wanted: set[tuple[str, ...]] = {(c.name,) for c in table.columns if c.is_required}
        wanted.add(("_loaded_at",))
        if table.needs_one_of:
            wanted.add(table.needs_one_of)
        assert set(REQUIRED[name]) == wanted


def test_the_loader_stores_every_column_as_the_door_expects_it() -> None:
    for name, table in contract.TABLES.items():
        for column in table.columns:
            assert is_stored_as(EXPECTED[name][column.name], column.sql_type)


@pytest.mark.parametrize("stored", ["VARCHAR[]", "STRUCT(a VARCHAR)", "BLOB", "BIGINT"])
def test_what_only_looks_like_text_is_none(stored: str) -> None:
    assert not is_stored_as("text", stored)


def test_judging_leaves_nothing_behind_and_says_nothing(
    connection: Connection,
    settings: DoorSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    judge(connection, settings)

    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert connection.execute("select count(*) from raw.door_verdicts").fetchall() == [(0,)]
