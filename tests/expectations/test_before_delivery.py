"""What a load left out may be somebody's no: each way to find one, and each way out."""

from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from expectations import before_delivery, verdicts
from expectations.gate import Verdict
from expectations.settings import DoorSettings, SettingsError, read_settings
from tests.expectations.conftest import WriteSettings
from tests.expectations.world import (
    AS_OF,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    add,
    add_build,
    add_email_event,
    add_file,
    add_profile,
    add_rejected_row,
    insert,
    make_marts,
)

Connection = duckdb.DuckDBPyConnection

HARMLESS_ROWS: dict[str, dict[str, object]] = {
    "email_events": {"event_type": "open", "occurred_at": MONDAY},
    "consents": {"purpose": "email_marketing", "status": "granted", "recorded_at": MONDAY},
    "erasure_requests": {"requested_at": MONDAY},
}


def judge(
    connection: Connection,
    settings: DoorSettings,
    *,
    as_of: datetime = AS_OF,
    judged_at: datetime = WEDNESDAY + timedelta(hours=1),
) -> Verdict:
    return before_delivery.judge(connection, as_of=as_of, judged_at=judged_at, settings=settings)


def load_file(
    connection: Connection,
    table: str,
    path: str,
    *,
    rows: int,
    rejected: int = 0,
    status: str = "loaded",
    loaded_at: datetime = TUESDAY,
) -> None:
    """Write a file into the ledger, and rows of it into its table that are no news of Ada or Bo."""
    add_file(
        connection,
        table,
        path,
        loaded=rows,
        rejected=rejected,
        status=status,
        loaded_at=loaded_at,
    )
    for row in range(1, rows + 1):
        add(
            connection,
            table,
            **HARMLESS_ROWS[table],
            email=f"reader{row}@example.com",
            _file=path,
            _row=row,
            _loaded_at=loaded_at,
        )


def stops(verdict: Verdict) -> list[tuple[Any, ...]]:
    return [(f.rule, f.table, f.observed) for f in verdict.stops]


def test_nothing_left_out_lets_a_delivery_through(
    connection: Connection, settings: DoorSettings
) -> None:
    load_file(connection, "consents", "day.csv", rows=7)
    load_file(connection, "email_events", "day.csv", rows=7)
    add_rejected_row(connection, "orders", "B1,bo@example.com,2026-03-02,unsubscribe")
    add_file(connection, "orders", "broken.parquet", status="rejected")
    add_file(connection, "orders", "readme.txt", status="unread")

    assert stops(judge(connection, settings)) == []


@pytest.mark.parametrize("table", ["consents", "erasure_requests"])
def test_every_rejected_row_of_consents_and_erasures_stops(
    connection: Connection, settings: DoorSettings, table: str
) -> None:
    add_rejected_row(connection, table, "cy@example.com,,", path="b.csv", row=9)
    add_rejected_row(connection, table, "bo@example.com,,", path="a.csv", row=4)

    verdict = judge(connection, settings)

    assert stops(verdict) == [("rejected_opt_outs", table, 2)]
    assert (
        f"2 rows that may be an opt-out could not be loaded into raw.{table}, "
        "first row 4 of a.csv; look at raw.rejected_rows, "
        "then set before_delivery.rejected_opt_outs.reviewed_until in expectations/doors.yml "
        "to 2026-03-03T06:00:00Z"
    ) in verdict.sentence
    assert "example.com" not in verdict.sentence


@pytest.mark.parametrize("table", ["consents", "erasure_requests"])
@pytest.mark.parametrize(
    ("status", "mending"),
    [
        ("rejected", "mend a rejected file, which is then tried again"),
        ("unread", "bring an unread file as .csv, .ndjson or .parquet in the folder of its table"),
        ("changed", "put the old content of a changed file back"),
    ],
)
def test_a_refused_file_of_consents_or_erasures_stops_until_it_is_loaded(
    connection: Connection, settings: DoorSettings, table: str, status: str, mending: str
) -> None:
    add_file(connection, table, "day.parquet", status=status)

    verdict = judge(connection, settings)

    assert stops(verdict) == [("rejected_opt_outs", table, 1)]
    assert "first the file day.parquet" in verdict.sentence
    assert mending in verdict.sentence

    add_file(connection, table, "day.parquet", loaded_at=WEDNESDAY)
    assert stops(judge(connection, settings)) == []


@pytest.mark.parametrize("status", ["rejected", "unread", "changed"])
def test_a_refused_file_of_email_events_stops_until_it_is_loaded(
    connection: Connection, settings: DoorSettings, status: str
) -> None:
    add_file(connection, "email_events", "day.ndjson.gz", status=status)

    verdict = judge(connection, settings)

    assert stops(verdict) == [("rejected_email_event_files", "email_events", 1)]
    assert "first the file day.ndjson.gz" in verdict.sentence

    add_file(connection, "email_events", "day.ndjson.gz", loaded_at=WEDNESDAY)
    assert stops(judge(connection, settings)) == []


HARMLESS = {
    "a JSON click": '{"event_type":"click","email":"ada@example.com","occurred_at":"?"}',
    "a key in another case": '{"Event_Type": "Open", "occurred_at": "?"}',
    "a click on the link that unsubscribes": (
        '{"event_type":"click","url":"https://shop.example/unsubscribe","occurred_at":"?"}'
    ),
    "a JSON open with every column written": (
        '{"event_type":"open","bounce_type":null,"occurred_at":"?"}'
    ),
    "half a JSON line whose type is left": '{"event_type": "delivered", "email": "bo@exam',
    "half a JSON click with its bounce column": '{"event_type":"click","bounce_type":null,"em',
    "a CSV open": "e1,open,?,ada@example.com,m1",
    "a CSV open in quotes and capitals": 'e1;"OPEN";?;ada@example.com;m1',
    "a tab between cells": "e1\tdropped\t?\tada@example.com",
    "a CSV click on the link that unsubscribes": (
        "e1,click,?,ada@example.com,https://shop.example/unsubscribe"
    ),
}

MAY_BE_AN_OPT_OUT = {
    "a JSON unsubscribe": '{"event_type":"unsubscribe","email":"ada@example.com"}',
    "a JSON complaint in capitals": '{"event_type":"COMPLAINT","email":"ada@example.com"}',
    "a bounce under another name": '{"event_type":"hard_bounce","email":"ada@example.com"}',
    "an unknown type": '{"event_type":"opted_out","email":"ada@example.com"}',
    "no type": '{"email":"ada@example.com","occurred_at":"2026-03-02"}',
    "a type that is null": '{"event_type":null,"email":"ada@example.com"}',
    "two types": '{"event_type":"open","Event_Type":"unsubscribe"}',
    "a type inside something else": '{"payload":{"event_type":"open"}}',
    "half a JSON line whose type is lost": '{"email":"ada@example.com","event_t',
    "half a JSON line whose type is cut": '{"email":"ada@example.com","event_type":"op',
    "half a JSON line with another type too": '{"x":{"event_type":"open"},"type":"spam_report","',
    "a harmless word in a broken text": '{"subject":"hello, open","event_t',
    "a list": '["open"]',
    "a CSV unsubscribe": "e1,unsubscribe,?,ada@example.com,m1",
    "a CSV spam report in quotes": 'e1,"Spam_Report",?,ada@example.com,m1',
    "a CSV bounce of a campaign called open": "e1,bounce,?,ada@example.com,open",
    "a CSV line without a type": "e1,,2026-03-02,ada@example.com,m1",
    "a CSV type that is unknown": "e1,opened,2026-03-02,ada@example.com,m1",
    "a quote that never ends": 'e1,open,?,"ada@example.com\ne2,optout,2026-03-02,bo@example.com',
    "nothing": "",
    "no text": None,
}


@pytest.mark.parametrize("raw_text", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_rejected_event_of_a_harmless_type_is_no_opt_out(
    connection: Connection, settings: DoorSettings, raw_text: str
) -> None:
    add_rejected_row(connection, "email_events", raw_text)

    assert stops(judge(connection, settings)) == []


@pytest.mark.parametrize("raw_text", MAY_BE_AN_OPT_OUT.values(), ids=MAY_BE_AN_OPT_OUT.keys())
def test_a_rejected_event_that_may_be_an_opt_out_stops(
    connection: Connection, settings: DoorSettings, raw_text: str | None
) -> None:
    add_rejected_row(connection, "email_events", raw_text)

    assert stops(judge(connection, settings)) == [("rejected_opt_outs", "email_events", 1)]


def test_a_line_rejected_for_its_type_has_no_harmless_one(
    connection: Connection, settings: DoorSettings
) -> None:
    add_rejected_row(
        connection,
        "email_events",
        "e1,optout,2026-03-02,ada@example.com,open",
        reason="event_type is none of sent, delivered, open",
    )

    assert stops(judge(connection, settings)) == [("rejected_opt_outs", "email_events", 1)]


def test_only_the_opt_outs_among_rejected_events_are_counted(
    connection: Connection, settings: DoorSettings
) -> None:
    for row, raw_text in enumerate([*HARMLESS.values(), *MAY_BE_AN_OPT_OUT.values()]):
        add_rejected_row(connection, "email_events", raw_text, row=row)

    verdict = judge(connection, settings)

    assert stops(verdict) == [("rejected_opt_outs", "email_events", 21)]
    assert "first row 10 of day.csv" in verdict.sentence


def test_an_as_of_in_the_past_hides_no_opt_out(
    connection: Connection, settings: DoorSettings
) -> None:
    add_rejected_row(connection, "consents", "bo@example.com,,")

    assert judge(connection, settings, as_of=MONDAY - timedelta(days=365)).stopped


OPT_OUTS = "rejected_opt_outs:\n    stop: {rows_at_most: 0}\n    reviewed_until: "
FILES = "rejected_email_event_files:\n    stop: {files_at_most: 0}\n    reviewed_until: "


def test_what_somebody_has_looked_at_stops_nobody_but_what_comes_later_does(
    connection: Connection, doors_file: WriteSettings
) -> None:
    settings = read_settings(doors_file(f"{OPT_OUTS}null", f"{OPT_OUTS}2026-03-03T06:00:00Z"))
    add_rejected_row(connection, "consents", "bo@example.com,,", loaded_at=TUESDAY)
    add_file(connection, "erasure_requests", "a.csv", status="rejected", loaded_at=TUESDAY)
    add_rejected_row(connection, "email_events", None, loaded_at=TUESDAY)
    assert stops(judge(connection, settings)) == []

    add_rejected_row(
        connection, "consents", "cy@example.com,,", loaded_at=TUESDAY + timedelta(microseconds=1)
    )
    verdict = judge(connection, settings)
    assert stops(verdict) == [("rejected_opt_outs", "consents", 1)]
    assert "to 2026-03-03T06:00:00.000001Z" in verdict.sentence


def test_a_file_that_changes_after_somebody_has_looked_stops(
    connection: Connection, doors_file: WriteSettings
) -> None:
    settings = read_settings(doors_file(f"{OPT_OUTS}null", f"{OPT_OUTS}2026-03-04T06:00:00Z"))
    # The ledger keeps the time at which the file was loaded, not that of its change.
    load_file(connection, "consents", "day.csv", rows=7, status="changed")

    verdict = judge(connection, settings)

    assert stops(verdict) == [("rejected_opt_outs", "consents", 1)]
    assert "reviewed_until" not in verdict.sentence


@pytest.mark.parametrize(
    ("status", "way_out"),
    [
        ("rejected", "mend a rejected file, which is then tried again, or set {}06:00:00Z"),
        ("unread", "in the folder of its table, or set {}06:00:00Z"),
        ("changed", "bring what is new as a new file, or set {}07:00:00Z"),
    ],
)
@pytest.mark.parametrize("table", ["consents", "erasure_requests", "email_events"])
def test_a_refused_file_that_was_taken_away_stops_until_somebody_has_looked(
    connection: Connection, doors_file: WriteSettings, table: str, status: str, way_out: str
) -> None:
    rule, shipped = (
        ("rejected_email_event_files", FILES)
        if table == "email_events"
        else ("rejected_opt_outs", OPT_OUTS)
    )
    gone_at = TUESDAY + timedelta(hours=1)
    add_file(connection, table, "day.csv", status=status, gone_at=gone_at)

    verdict = judge(connection, read_settings())
    assert stops(verdict) == [(rule, table, 1)]
    key = f"before_delivery.{rule}.reviewed_until in expectations/doors.yml to 2026-03-03T"
    assert way_out.format(key) in verdict.sentence

    reviewed = read_settings(doors_file(f"{shipped}null", f"{shipped}2026-03-03T07:00:00Z"))
    assert stops(judge(connection, reviewed)) == []

    too_early = read_settings(doors_file(f"{shipped}null", f"{shipped}2026-03-03T05:59:59Z"))
    assert stops(judge(connection, too_early)) == [(rule, table, 1)]


def test_a_ledger_of_the_first_version_is_read_too(
    connection: Connection, settings: DoorSettings
) -> None:
    connection.execute("alter table raw.loaded_files drop column gone_at")
    connection.execute(
        "insert into raw.loaded_files (table_name, path, status, loaded_at) "
        "values ('consents', 'a.csv', 'changed', $1), ('consents', 'b.csv', 'rejected', $1)",
        [TUESDAY],
    )

    assert stops(judge(connection, settings)) == [("rejected_opt_outs", "consents", 2)]


def test_files_of_events_are_looked_at_apart_from_opt_outs(
    connection: Connection, doors_file: WriteSettings
) -> None:
    settings = read_settings(doors_file(f"{FILES}null", f"{FILES}2026-03-03T08:00:00+02:00"))
    add_file(connection, "email_events", "day.csv", status="rejected", loaded_at=TUESDAY)
    add_file(connection, "consents", "day.csv", status="rejected", loaded_at=TUESDAY)

    assert stops(judge(connection, settings)) == [("rejected_opt_outs", "consents", 1)]


def test_nobody_has_looked_at_opt_outs_of_the_future(
    connection: Connection, doors_file: WriteSettings
) -> None:
    settings = read_settings(doors_file(f"{OPT_OUTS}null", f"{OPT_OUTS}2999-01-01T00:00:00Z"))

    with pytest.raises(SettingsError, match=r"before_delivery.rejected_opt_outs.reviewed_until"):
        judge(connection, settings)


def test_another_loader_that_keeps_no_rejected_rows_is_not_stopped(settings: DoorSettings) -> None:
    with duckdb.connect() as connection:
        assert stops(judge(connection, settings)) == []


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("email_events", {"event_type": "unsubscribe", "occurred_at": MONDAY}),
        (
            "consents",
            {"purpose": "email_marketing", "status": "withdrawn", "recorded_at": MONDAY},
        ),
        ("erasure_requests", {"requested_at": MONDAY}),
    ],
)
def test_a_refusal_that_no_build_has_seen_stops_until_one_has(
    connection: Connection, settings: DoorSettings, table: str, values: dict[str, object]
) -> None:
    late = TUESDAY + timedelta(microseconds=1)
    add(connection, table, email="bo@example.com", _loaded_at=late, **values)

    verdict = judge(connection, settings)

    assert stops(verdict) == [("marts_older_than_raw", table, 1)]
    assert (
        f"1 row in raw.{table} came after the newest build (of 2026-03-03 06:00:00 UTC), opt-outs "
        "perhaps among them; build the marts with `mailmart run`"
    ) in verdict.sentence
    assert "example.com" not in verdict.sentence

    add_build(connection, late)
    assert stops(judge(connection, settings)) == []


def test_orders_that_no_build_has_seen_stop_nobody(
    connection: Connection, settings: DoorSettings
) -> None:
    add(connection, "orders", order_id="B1", email="bo@example.com", _loaded_at=WEDNESDAY)

    assert stops(judge(connection, settings)) == []


def test_what_was_never_built_is_not_delivered(
    connection: Connection, settings: DoorSettings
) -> None:
    connection.execute("drop table marts.fct_builds")
    add_email_event(connection)

    assert stops(judge(connection, settings)) == [("marts_older_than_raw", "email_events", 2)]


# Rejected rows that are no longer kept


def test_rejected_rows_that_are_kept_and_reviewed_are_not_lost(
    connection: Connection, doors_file: WriteSettings
) -> None:
    settings = read_settings(doors_file(f"{OPT_OUTS}null", f"{OPT_OUTS}2026-03-03T06:00:00Z"))
    load_file(connection, "consents", "day.csv", rows=5, rejected=1)
    add_rejected_row(connection, "consents", "bo@example.com,,")
    add_file(connection, "orders", "day.csv", loaded=5, rejected=2)

    assert stops(judge(connection, settings)) == []


@pytest.mark.parametrize("table", ["email_events", "consents", "erasure_requests"])
@pytest.mark.parametrize("loss", ["delete from raw.rejected_rows", "drop table raw.rejected_rows"])
def test_rejected_rows_that_were_lost_stop_until_somebody_has_looked(
    connection: Connection, doors_file: WriteSettings, table: str, loss: str
) -> None:
    load_file(connection, table, "b.csv", rows=5, rejected=2)
    load_file(connection, table, "a.csv", rows=5, rejected=1)
    load_file(connection, table, "c.csv", rows=5)
    connection.execute(loss)

    verdict = judge(connection, read_settings())
    assert stops(verdict) == [("lost_rejected_rows", table, 3)]
    assert (
        "3 rows that raw.loaded_files counts as rejected, opt-outs perhaps among them, are no "
        f"longer in raw.rejected_rows for raw.{table}, first of the file a.csv; "
    ) in verdict.sentence
    assert (
        "lost_rejected_rows.reviewed_until in expectations/doors.yml to 2026-03-03T06:00:00Z"
        in (verdict.sentence)
    )

    old = "lost_rejected_rows:\n    stop: {rows_at_most: 0}\n    reviewed_until: "
    reviewed = read_settings(doors_file(f"{old}null", f"{old}2026-03-03T06:00:00Z"))
    assert stops(judge(connection, reviewed)) == []


def test_the_rows_of_one_file_do_not_stand_in_for_those_of_another(
    connection: Connection, doors_file: WriteSettings
) -> None:
    settings = read_settings(doors_file(f"{OPT_OUTS}null", f"{OPT_OUTS}2026-03-03T06:00:00Z"))
    add_file(connection, "consents", "a.csv", rejected=1)
    add_rejected_row(connection, "consents", "bo@example.com,,", path="b.csv")
    add_rejected_row(connection, "orders", "bo@example.com,,", path="a.csv")

    assert stops(judge(connection, settings)) == [("lost_rejected_rows", "consents", 1)]


# Rows that were loaded and are no longer there

LOST = "lost_refusal_rows:\n    stop: {rows_at_most: 0}\n    reviewed_until: "


@pytest.mark.parametrize("table", ["email_events", "consents", "erasure_requests"])
def test_a_loaded_row_that_was_deleted_stops_until_somebody_has_looked(
    connection: Connection, doors_file: WriteSettings, table: str
) -> None:
    load_file(connection, table, "a.csv", rows=3)
    load_file(connection, table, "b.csv", rows=2)
    settings = read_settings()
    assert stops(judge(connection, settings)) == []

    connection.execute(f"delete from raw.{table} where _file = 'a.csv' and _row = 2")
    verdict = judge(connection, settings)
    assert stops(verdict) == [("lost_refusal_rows", table, 1)]
    assert (
        f"1 row of the 5 that raw.loaded_files counts as loaded into raw.{table}, refusals perhaps "
        f"among them, is no longer there; restore raw.{table} from a backup or load the landing "
        "folder into a new warehouse, or, once somebody has seen that no refusal was lost, set "
        "before_delivery.lost_refusal_rows.reviewed_until in expectations/doors.yml to "
        "2026-03-03T06:00:00Z"
    ) in verdict.sentence

    reviewed = read_settings(doors_file(f"{LOST}null", f"{LOST}2026-03-03T06:00:00Z"))
    assert stops(judge(connection, reviewed)) == []


def test_a_row_that_is_lost_after_somebody_has_looked_stops(
    connection: Connection, doors_file: WriteSettings
) -> None:
    settings = read_settings(doors_file(f"{LOST}null", f"{LOST}2026-03-03T06:00:00Z"))
    # Two of Tuesday's five are lost, and looked at; the five must not stand in for Wednesday's.
    load_file(connection, "consents", "tuesday.csv", rows=5)
    load_file(connection, "consents", "wednesday.csv", rows=2, loaded_at=WEDNESDAY)
    add_build(connection, WEDNESDAY)
    connection.execute("delete from raw.consents where _file = 'tuesday.csv' and _row > 3")
    assert stops(judge(connection, settings)) == []

    connection.execute("delete from raw.consents where _file = 'wednesday.csv' and _row = 1")
    assert stops(judge(connection, settings)) == [("lost_refusal_rows", "consents", 1)]


@pytest.mark.parametrize("status", ["loaded", "changed"])
def test_a_file_that_is_gone_or_changed_undoes_no_row_that_was_loaded_of_it(
    connection: Connection, settings: DoorSettings, status: str
) -> None:
    add_file(connection, "consents", "day.csv", loaded=2, status=status, gone_at=TUESDAY)

    assert ("lost_refusal_rows", "consents", 2) in stops(judge(connection, settings))


def test_rows_of_another_loader_stand_in_for_none_of_ours(
    connection: Connection, settings: DoorSettings
) -> None:
    load_file(connection, "consents", "day.csv", rows=2)
    add_consent(connection)
    add_consent(connection, email="cy@example.com")
    assert stops(judge(connection, settings)) == []

    connection.execute("delete from raw.consents where _file = 'day.csv'")
    assert stops(judge(connection, settings)) == [("lost_refusal_rows", "consents", 2)]


def test_a_loader_without_a_ledger_loses_nothing(
    connection: Connection, settings: DoorSettings
) -> None:
    connection.execute("drop table raw.loaded_files; delete from raw.email_events")

    assert stops(judge(connection, settings)) == []


def test_a_loader_that_names_no_file_is_counted_by_all_its_rows(
    connection: Connection, settings: DoorSettings
) -> None:
    connection.execute("alter table raw.erasure_requests drop column _file")
    connection.execute("alter table raw.erasure_requests drop column _loaded_at")
    connection.execute("insert into raw.erasure_requests (requested_at) values (null), (null)")
    add_file(connection, "erasure_requests", "day.csv", loaded=2)
    assert "lost_refusal_rows" not in {rule for rule, *_ in stops(judge(connection, settings))}

    connection.execute("truncate raw.erasure_requests")
    found = stops(judge(connection, settings))
    assert ("lost_refusal_rows", "erasure_requests", 2) in found


@pytest.mark.parametrize("table", ["email_events", "consents", "erasure_requests"])
def test_a_table_that_was_dropped_has_lost_all_of_its_rows(
    connection: Connection, settings: DoorSettings, table: str
) -> None:
    load_file(connection, table, "day.csv", rows=4)
    connection.execute(f"drop table raw.{table}")

    verdict = judge(connection, settings)

    assert stops(verdict) == [
        ("required_tables", f"raw.{table}", 0),
        ("lost_refusal_rows", table, 4),
    ]
    assert f"raw.{table} is not there, though files were loaded into it" in verdict.sentence


# Refusals under an address that is nobody's


# Of Ada, as some export has mangled it: first what is not valid, then what is another person's.
NOBODYS = {
    "an invisible blank": "ada@example.com\u200b",
    "a byte order mark": "\ufeffada@example.com",
    "a name before it": "Ada <ada@example.com>",
    "a wide at": "ada\uff20example.com",
    "an umlaut": "ada@exämple.com",
    "no at": "ada.example.com",
    "nothing but blanks": " \t",
    "two with a blank": "ada@example.com ;bo@example.com",
    "too long a one": "a" * 243 + "@example.com",
    "angle brackets": "<ada@example.com>",
    "mailto": "MAILTO:ada@example.com",
    "quotes": '"ada@example.com"',
    "single quotes": "'ada@example.com'",
    "a spreadsheet's quote": "'ada@example.com",
    "a dot at the end": "ada@example.com.",
    "a dot twice": "ada@example..com",
    "a semicolon": "ada@example.com;",
    "a comma": "ada@example.com,bo",
    "brackets": "(ada)ada@example.com",
    "square brackets": "ada@[192.0.2.1]",
}


@pytest.mark.parametrize("address", NOBODYS.values(), ids=NOBODYS.keys())
def test_a_refusal_under_an_address_of_nobody_stops(
    connection: Connection, settings: DoorSettings, address: str
) -> None:
    add_consent(connection, email=address, _file="consents/b.csv", _row=4)

    verdict = judge(connection, settings)

    assert stops(verdict) == [("unreadable_refusal_addresses", "consents", 1)]
    assert (
        "1 row of raw.consents says no under an address that is nobody's, first row 4 of "
        "consents/b.csv; bring each refusal under the right address as a new file, then set "
        "before_delivery.unreadable_refusal_addresses.reviewed_until in expectations/doors.yml "
        "to 2026-03-03T06:00:00Z"
    ) in verdict.sentence
    assert "example" not in verdict.sentence


@pytest.mark.parametrize(
    "address",
    [
        " Ada@Example.com\t",
        "\u00a0ada@example.com",
        "ada.o'brien+news=shop@mail.example.co.uk",
        "ada_1!#$%&*/?^`{|}~-@my-shop.example",
        "ada@_mx.example.com",
        "ada@xn--exmple-cua.com",
        "a..b@example.com",
    ],
)
def test_a_refusal_under_any_address_that_services_write_stops_nobody(
    connection: Connection, settings: DoorSettings, address: str
) -> None:
    add_consent(connection, email=address)

    assert stops(judge(connection, settings)) == []


def test_every_kind_of_refusal_is_read_and_nothing_else(
    connection: Connection, settings: DoorSettings
) -> None:
    nobody = "<ada@example.com>"
    for event_type in ("unsubscribe", "complaint", "open", "click", "sent"):
        add_email_event(connection, event_type, email=nobody)
    for bounce_type in (" Hard", "soft", None):
        add_email_event(connection, "bounce", email=nobody, bounce_type=bounce_type)
    for purpose in ("email_marketing", "Profiling ", "surveys"):
        add_consent(connection, email=nobody, purpose=purpose)
    add_consent(connection, email=nobody, status="granted")
    add(connection, "erasure_requests", email=nobody, requested_at=MONDAY, _loaded_at=TUESDAY)

    # The unsubscribe, the complaint and the hard bounce; two withdrawals; the request.
    assert stops(judge(connection, settings)) == [
        ("unreadable_refusal_addresses", "email_events", 3),
        ("unreadable_refusal_addresses", "consents", 2),
        ("unreadable_refusal_addresses", "erasure_requests", 1),
    ]


def test_an_address_of_nobody_that_somebody_has_looked_at_stops_nobody(
    connection: Connection, doors_file: WriteSettings
) -> None:
    old = "unreadable_refusal_addresses:\n    stop: {rows_at_most: 0}\n    reviewed_until: "
    settings = read_settings(doors_file(f"{old}null", f"{old}2026-03-03T06:00:00Z"))
    add_consent(connection, email="<ada@example.com>")
    assert stops(judge(connection, settings)) == []

    add_consent(
        connection, email="<bo@example.com>", _loaded_at=TUESDAY + timedelta(microseconds=1)
    )
    add_build(connection, WEDNESDAY)
    assert stops(judge(connection, settings)) == [("unreadable_refusal_addresses", "consents", 1)]


def test_another_loader_that_keeps_no_file_of_a_row_is_asked_too(
    connection: Connection, settings: DoorSettings
) -> None:
    connection.execute("alter table raw.consents drop column _file")
    connection.execute("alter table raw.consents drop column _row")
    add_consent(connection, email="<ada@example.com>")

    verdict = judge(connection, settings)

    assert stops(verdict) == [("unreadable_refusal_addresses", "consents", 1)]
    assert "an address that is nobody's; bring each" in verdict.sentence


# What another loader may let in, and `mailmart sync` meets without the door behind the loader


def add_consent(connection: Connection, **changes: object) -> None:
    values: dict[str, object] = {
        "email": "bo@example.com",
        "purpose": "email_marketing",
        "status": "withdrawn",
        "recorded_at": MONDAY,
        "_loaded_at": TUESDAY,
        **changes,
    }
    add(connection, "consents", **values)


def test_refusals_that_are_understood_stop_nobody(
    connection: Connection, settings: DoorSettings
) -> None:
    add_consent(connection)
    add_email_event(connection, "unsubscribe")
    for bounce_type in ("hard", "Soft", "", None):
        add_email_event(connection, "bounce", bounce_type=bounce_type)
    add(
        connection,
        "erasure_requests",
        email="cy@example.com",
        requested_at=MONDAY,
        _loaded_at=TUESDAY,
    )

    assert stops(judge(connection, settings)) == []


def test_a_consent_that_was_revoked_stops(connection: Connection, settings: DoorSettings) -> None:
    add_consent(connection, status="revoked")

    assert stops(judge(connection, settings)) == [("known_consent_statuses", "consents", 1)]


def test_an_unsubscribe_under_another_name_stops(
    connection: Connection, settings: DoorSettings
) -> None:
    add_email_event(connection, "Unsubscribe")

    assert stops(judge(connection, settings)) == [("known_email_event_types", "email_events", 1)]


def test_a_bounce_of_an_unknown_kind_stops(connection: Connection, settings: DoorSettings) -> None:
    add_email_event(connection, "bounce", bounce_type="permanent")

    assert stops(judge(connection, settings)) == [("known_bounce_types", "email_events", 1)]


def test_a_refusal_without_what_it_needs_stops(
    connection: Connection, settings: DoorSettings
) -> None:
    add_consent(connection, recorded_at=None)
    add_email_event(connection, "unsubscribe", email="")
    add(connection, "erasure_requests", requested_at=MONDAY, _loaded_at=TUESDAY)
    add(connection, "orders", order_id="B1")

    assert stops(judge(connection, settings)) == [
        ("required_values", "email_events", 1),
        ("required_values", "consents", 1),
        ("required_values", "erasure_requests", 1),
    ]


def test_refusals_that_cannot_be_read_stop(connection: Connection, settings: DoorSettings) -> None:
    connection.execute("alter table raw.consents drop column status")
    connection.execute("alter table raw.orders drop column status")

    assert stops(judge(connection, settings)) == [("column_types", "consents", 1)]


# What stands in schema sync


@pytest.fixture
def ready(connection: Connection) -> Connection:
    """The warehouse with its marts built: Ada and Bo are to be told of, Cy is suppressed."""
    make_marts(connection)
    for name in ("ada", "bo"):
        add_profile(connection, name)
        add_receiver(connection, name)
    add_profile(connection, "cy", may_be_mailed=False)
    add_suppression(connection, "cy")
    add_member(connection, "ada")
    return connection


def add_receiver(connection: Connection, name: str, **changes: object) -> None:
    values = {"profile_id": name, "email": f"{name}@example.com", **changes}
    insert(connection, "sync.profiles", **values)


def add_member(connection: Connection, name: str, **changes: object) -> None:
    values = {
        "segment": "win_back",
        "profile_id": name,
        "email": f"{name}@example.com",
        **changes,
    }
    insert(connection, "sync.segment_members", **values)


def add_suppression(connection: Connection, name: str) -> None:
    insert(
        connection,
        "sync.suppressions",
        profile_id=name,
        email=f"{name}@example.com",
        reason="unsubscribe",
    )


def test_a_payload_of_people_who_may_be_mailed_passes(
    ready: Connection, settings: DoorSettings
) -> None:
    add_receiver(ready, "di", churn_probability=0.0, open_probability=1.0)
    add_profile(ready, "di")

    verdict = judge(ready, settings)

    assert stops(verdict) == []
    assert verdict.warnings == ()


def test_nobody_to_be_told_of_passes(ready: Connection, settings: DoorSettings) -> None:
    ready.execute("delete from sync.profiles; delete from sync.segment_members")

    assert stops(judge(ready, settings)) == []


@pytest.mark.parametrize("table", ["email_events", "consents", "erasure_requests"])
def test_nobody_is_told_of_without_the_tables_of_refusals(
    ready: Connection, settings: DoorSettings, table: str
) -> None:
    ready.execute(f"drop table raw.{table}")

    verdict = judge(ready, settings)

    assert stops(verdict) == [("required_tables", f"raw.{table}", 0)]
    assert f"raw.{table} is not there, though there are people in sync.pr" in verdict.sentence

    ready.execute("delete from sync.segment_members; delete from sync.profiles")
    assert stops(judge(ready, settings)) == []


def test_nobody_is_told_of_without_the_suppressions(
    ready: Connection, settings: DoorSettings
) -> None:
    ready.execute("drop table sync.suppressions")

    verdict = judge(ready, settings)

    assert stops(verdict) == [("required_tables", "sync.suppressions", 0)]
    assert "sync.suppressions is not there, though sync.profiles is there" in verdict.sentence


def test_a_payload_that_is_gone_stops_once_something_was_built(
    ready: Connection, settings: DoorSettings
) -> None:
    ready.execute("drop table sync.profiles")

    verdict = judge(ready, settings)

    assert stops(verdict) == [("required_tables", "sync.profiles", 0)]
    assert "sync.profiles is not there, though something was built; build with" in verdict.sentence


def test_nobody_may_be_mailed_whom_no_mart_knows(ready: Connection, settings: DoorSettings) -> None:
    ready.execute("drop table marts.dim_profiles")

    # Ada and Bo.
    assert stops(judge(ready, settings)) == [("unmailable_profiles", "sync.profiles", 2)]

    ready.execute("delete from sync.segment_members; delete from sync.profiles")
    assert stops(judge(ready, settings)) == []


def test_somebody_who_may_not_be_mailed_stops(ready: Connection, settings: DoorSettings) -> None:
    add_profile(ready, "di", may_be_mailed=False)
    add_receiver(ready, "di")

    verdict = judge(ready, settings)

    assert stops(verdict) == [("unmailable_profiles", "sync.profiles", 1)]
    assert "@" not in verdict.sentence


def test_somebody_whom_the_marts_do_not_know_stops(
    ready: Connection, settings: DoorSettings
) -> None:
    add_profile(ready, "di")
    add_receiver(ready, "eve")
    add_receiver(ready, "di", email="other@example.com")

    assert stops(judge(ready, settings)) == [("unmailable_profiles", "sync.profiles", 2)]


def test_somebody_who_is_suppressed_too_stops(ready: Connection, settings: DoorSettings) -> None:
    add_suppression(ready, "bo")

    assert stops(judge(ready, settings)) == [("unmailable_profiles", "sync.profiles", 1)]


def test_an_erasure_request_stops_whatever_the_marts_say(
    ready: Connection, settings: DoorSettings
) -> None:
    add(
        ready,
        "erasure_requests",
        email=" Bo@Example.com\t",
        requested_at=WEDNESDAY,
        _loaded_at=TUESDAY,
    )

    assert stops(judge(ready, settings)) == [("refused_profiles", "sync.profiles", 1)]


def test_a_hard_bounce_stops_whatever_the_marts_say_and_a_soft_one_does_not(
    ready: Connection, settings: DoorSettings
) -> None:
    add_email_event(ready, "bounce", email="ada@example.com", bounce_type="soft")
    add_email_event(ready, "bounce", email="bo@example.com", bounce_type="Hard")

    assert stops(judge(ready, settings)) == [("refused_profiles", "sync.profiles", 1)]


def test_the_newest_consent_decides_and_a_withdrawal_wins_a_tie(
    ready: Connection, settings: DoorSettings
) -> None:
    add_consent(ready, email="ada@example.com", recorded_at=MONDAY)
    add_consent(ready, email="ada@example.com", status="granted", recorded_at=TUESDAY)
    add_consent(ready, email="ada@example.com", purpose="profiling", recorded_at=WEDNESDAY)
    assert stops(judge(ready, settings)) == []

    add_consent(ready, email="bo@example.com", status="granted", recorded_at=TUESDAY)
    add_consent(ready, email="bo@example.com", purpose=" Email_Marketing", recorded_at=TUESDAY)
    assert stops(judge(ready, settings)) == [("refused_profiles", "sync.profiles", 1)]


@pytest.mark.parametrize("event_type", ["unsubscribe", "complaint"])
@pytest.mark.parametrize(
    ("grant", "is_refused"),
    [
        (None, True),
        ({"recorded_at": MONDAY - timedelta(days=1)}, True),
        ({"recorded_at": MONDAY}, True),
        ({"recorded_at": MONDAY + timedelta(microseconds=1)}, False),
        ({"recorded_at": TUESDAY}, False),
        # The build is as of Tuesday: this grant has not happened yet.
        ({"recorded_at": TUESDAY + timedelta(microseconds=1)}, True),
        ({"recorded_at": TUESDAY, "purpose": " Email_Marketing"}, False),
        ({"recorded_at": TUESDAY, "purpose": "profiling"}, True),
        ({"recorded_at": TUESDAY, "email": "cy@example.com"}, True),
    ],
)
def test_who_left_is_told_of_only_after_a_later_grant(
    ready: Connection,
    settings: DoorSettings,
    event_type: str,
    grant: dict[str, object] | None,
    is_refused: bool,
) -> None:
    add_email_event(ready, event_type, email="BO@example.com ")
    if grant:
        add_consent(ready, **{"email": " Bo@example.com", "status": "granted", **grant})

    expected = [("refused_profiles", "sync.profiles", 1)] if is_refused else []
    assert stops(judge(ready, settings)) == expected


def test_the_newest_refusal_decides_and_one_after_the_as_of_time_counts(
    ready: Connection, settings: DoorSettings
) -> None:
    add_email_event(ready, "unsubscribe", email="bo@example.com")
    add_consent(ready, status="granted", recorded_at=TUESDAY)
    assert stops(judge(ready, settings)) == []

    add_email_event(ready, "complaint", email="bo@example.com", occurred_at=WEDNESDAY)
    assert stops(judge(ready, settings)) == [("refused_profiles", "sync.profiles", 1)]


def test_who_left_stays_away_where_consents_cannot_be_read(
    ready: Connection, settings: DoorSettings
) -> None:
    add_email_event(ready, "unsubscribe", email="bo@example.com")
    add_consent(ready, status="granted", recorded_at=TUESDAY)
    ready.execute("alter table raw.consents drop column status")

    assert ("refused_profiles", "sync.profiles", 1) in stops(judge(ready, settings))


@pytest.mark.parametrize(
    ("expires_at", "expected"),
    [
        (None, []),
        (WEDNESDAY + timedelta(hours=1, microseconds=1), []),
        (WEDNESDAY + timedelta(hours=1), [("ended_consents", 1)]),
        (TUESDAY + timedelta(microseconds=1), [("ended_consents", 1)]),
    ],
)
def test_a_consent_that_has_ended_since_the_build_warns(
    ready: Connection,
    settings: DoorSettings,
    expires_at: datetime | None,
    expected: list[tuple[str, int]],
) -> None:
    # Judged on Wednesday at seven, of a build as of Tuesday at six.
    add_consent(ready, email=" Bo@example.com", status="granted", expires_at=expires_at)

    verdict = judge(ready, settings)

    assert [(f.rule, f.observed) for f in verdict.warnings] == expected
    assert stops(verdict) == []


def test_only_the_newest_consent_to_marketing_of_somebody_to_be_told_of_can_have_ended(
    ready: Connection, settings: DoorSettings
) -> None:
    ended = {"status": "granted", "expires_at": WEDNESDAY}
    add_consent(ready, email="ada@example.com", **ended)
    add_consent(ready, email="ada@example.com", status="granted", recorded_at=TUESDAY)
    add_consent(ready, email="bo@example.com", purpose="profiling", **ended)
    add_consent(ready, email="cy@example.com", **ended)

    assert judge(ready, settings).warnings == ()

    add_consent(ready, email="bo@example.com", status="granted", source="form", expires_at=TUESDAY)
    add_consent(ready, email="bo@example.com", status="granted", source="shop", expires_at=None)
    assert judge(ready, settings).warnings == ()


def test_a_member_of_a_segment_who_is_not_to_be_told_of_stops(
    ready: Connection, settings: DoorSettings
) -> None:
    add_member(ready, "cy")
    add_member(ready, "bo", email="other@example.com")

    assert stops(judge(ready, settings)) == [("stray_segment_members", "sync.segment_members", 2)]


@pytest.mark.parametrize(
    ("again", "key"),
    [({"email": "flo@example.com"}, "profile_id"), ({"profile_id": "flo"}, "email")],
)
def test_somebody_who_is_told_of_twice_stops(
    ready: Connection, settings: DoorSettings, again: dict[str, str], key: str
) -> None:
    add_profile(ready, "bo", **again)
    add_receiver(ready, "bo", **again)

    verdict = judge(ready, settings)

    assert stops(verdict) == [("repeated_payload_rows", "sync.profiles", 1)]
    assert f"rows in sync.profiles repeat others (1 by {key})" in verdict.sentence


def test_a_member_of_one_segment_twice_stops_and_of_two_does_not(
    ready: Connection, settings: DoorSettings
) -> None:
    add_member(ready, "ada", segment="readers")
    assert stops(judge(ready, settings)) == []

    add_member(ready, "ada")
    assert stops(judge(ready, settings)) == [("repeated_payload_rows", "sync.segment_members", 1)]


def test_rows_that_do_not_say_who_stop(ready: Connection, settings: DoorSettings) -> None:
    add_profile(ready, "di", email="")
    add_receiver(ready, "di", email="")
    add_member(ready, "ada", segment=None)
    insert(ready, "sync.suppressions", profile_id=None, email="flo@example.com")

    assert stops(judge(ready, settings)) == [
        ("empty_payload", "sync.profiles", 1),
        ("empty_payload", "sync.segment_members", 1),
        ("empty_payload", "sync.suppressions", 1),
    ]


@pytest.mark.parametrize("column", ["churn_probability", "open_probability"])
@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_probability_outside_0_to_1_stops(
    ready: Connection, settings: DoorSettings, column: str, value: float
) -> None:
    add_profile(ready, "di")
    add_receiver(ready, "di", **{column: value})

    assert stops(judge(ready, settings)) == [("probabilities", "sync.profiles", 1)]


def deliver(
    connection: Connection,
    settings: DoorSettings,
    *,
    receivers: int,
    day: int,
    as_of: datetime | None = None,
) -> Verdict:
    """Build a payload of so many people some days after Tuesday, judge and record."""
    for table in ("marts.dim_profiles", "sync.profiles", "sync.segment_members"):
        connection.execute(f"delete from {table}")
    for number in range(receivers):
        add_profile(connection, f"reader{number}")
    connection.execute(
        "insert into sync.profiles by name select profile_id, email from marts.dim_profiles"
    )
    moment = WEDNESDAY + timedelta(days=day)
    verdict = judge(connection, settings, as_of=as_of or moment, judged_at=moment)
    verdicts.record(connection, verdict)
    return verdict


def changed(verdict: Verdict) -> list[tuple[Any, ...]]:
    return [(f.rule, f.severity, f.observed) for f in verdict.findings if not f.passed]


def test_a_first_delivery_may_have_any_size(ready: Connection, settings: DoorSettings) -> None:
    verdict = deliver(ready, settings, receivers=200, day=0)

    assert changed(verdict) == []
    facts = [f.sentence for f in verdict.findings if f.rule in ("fewer_profiles", "more_profiles")]
    assert facts
    assert [fact for fact in facts if "allowed" in fact] == []


def test_a_payload_that_halves_warns_and_one_that_shrinks_further_stops(
    ready: Connection, settings: DoorSettings
) -> None:
    deliver(ready, settings, receivers=200, day=0)
    stopped = deliver(ready, settings, receivers=99, day=1)
    assert stops(stopped) == [("fewer_profiles", "sync.profiles", 0.505)]
    assert (
        "sync.profiles has 99 rows, 200 had the last good batch (judged 2026-03-04 06:00 UTC) "
        "(allowed are 50% fewer)"
    ) in stopped.sentence

    warned = deliver(ready, settings, receivers=100, day=2)
    assert changed(warned) == [("fewer_profiles", "warn", 0.5)]
    assert changed(deliver(ready, settings, receivers=80, day=3)) == []


def test_a_payload_that_more_than_doubles_warns(ready: Connection, settings: DoorSettings) -> None:
    deliver(ready, settings, receivers=100, day=0)
    assert changed(deliver(ready, settings, receivers=200, day=1)) == []
    warned = deliver(ready, settings, receivers=402, day=2)
    assert changed(warned) == [("more_profiles", "warn", 1.01)]
    assert "(allowed are 2 times as many)" in warned.warnings[0].sentence


def test_a_payload_of_nobody_stops_where_it_had_many_and_warns_where_it_had_few(
    ready: Connection, settings: DoorSettings, doors_file: WriteSettings
) -> None:
    deliver(ready, settings, receivers=26, day=0)
    assert stops(deliver(ready, settings, receivers=0, day=1)) == [
        ("emptied_payload", "sync.profiles", 26)
    ]
    deliver(ready, settings, receivers=25, day=2)
    old = "stop: {rows_at_most: 25}\n    reviewed_until: null"
    reviewed = read_settings(doors_file(old, old.replace("null", "2026-03-06T06:00:01Z")))
    assert changed(deliver(ready, reviewed, receivers=0, day=3)) == []

    with_history = deliver(ready, settings, receivers=25, day=4)
    assert changed(with_history) == []
    assert changed(deliver(ready, settings, receivers=0, day=5)) == [
        ("emptied_payload", "warn", 25)
    ]


def test_forty_people_may_come_and_go(ready: Connection, settings: DoorSettings) -> None:
    deliver(ready, settings, receivers=40, day=0)

    assert changed(deliver(ready, settings, receivers=4, day=1)) == []
    assert changed(deliver(ready, settings, receivers=40, day=2)) == []


def test_a_payload_of_an_as_of_that_goes_back_is_not_compared(
    ready: Connection, settings: DoorSettings
) -> None:
    deliver(ready, settings, receivers=200, day=0)

    long_ago = datetime.fromisoformat("2011-12-10")
    assert changed(deliver(ready, settings, receivers=1, day=1, as_of=long_ago)) == []
    assert changed(deliver(ready, settings, receivers=200, day=2)) == []
