"""What the file loader leaves out, as the doors read it: real files, real rejections."""

import gzip
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from expectations import after_loading, before_delivery, verdicts
from expectations.gate import Verdict
from expectations.settings import DoorSettings
from ingestion import loader
from tests.expectations.world import TUESDAY, add_build
from tests.real_data import beside_the_project

Connection = duckdb.DuckDBPyConnection


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Connection]:
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        verdicts.prepare(connection)
        yield connection


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


def put(landing: Path, path: str, *lines: str) -> None:
    file = landing / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def load_and_judge(
    connection: Connection,
    landing: Path,
    settings: DoorSettings,
    *,
    at: datetime = TUESDAY,
    as_of: datetime | None = None,
) -> tuple[Verdict, Verdict]:
    """Do what a run does: load, judge behind the loader, build, judge before the delivery."""
    loader.load(connection, landing, at)
    times = {"as_of": as_of or at, "judged_at": at}
    behind = after_loading.judge(connection, settings=settings, **times)
    add_build(connection, at)
    before = before_delivery.judge(connection, settings=settings, **times)
    for verdict in (behind, before):
        verdicts.record(connection, verdict)
    return behind, before


def broken(verdict: Verdict) -> list[tuple[str, str, float | None]]:
    return [(f.rule, f.table, f.observed) for f in (*verdict.stops, *verdict.warnings)]


def test_a_clean_landing_folder_passes_both_doors(
    warehouse: Connection, landing: Path, settings: DoorSettings
) -> None:
    put(
        landing,
        "email_events/day.csv",
        "event_type,occurred_at,email",
        "open,2026-03-02T10:00:00Z,ada@example.com",
    )

    behind, before = load_and_judge(warehouse, landing, settings)

    assert broken(behind) == []
    assert broken(before) == []


def test_an_empty_landing_folder_is_stopped(
    warehouse: Connection, landing: Path, settings: DoorSettings
) -> None:
    landing.mkdir()

    behind, _ = load_and_judge(warehouse, landing, settings)

    assert [f.rule for f in behind.stops] == ["required_tables"]


def test_opt_outs_are_found_among_the_rejected_rows_of_every_format(
    warehouse: Connection, landing: Path, settings: DoorSettings
) -> None:
    # Cy's and Di's rows are harmless, though unusable; Ada's, Bo's, Eve's and Flo's may not be.
    put(
        landing,
        "email_events/a.csv",
        "event_type,occurred_at,email",
        "open,2026-03-02T10:00:00Z,ada@example.com",
        "click,no time,cy@example.com",
        "unsubscribe,no time,ada@example.com",
        "optout,2026-03-02T10:00:00Z,flo@example.com",
    )
    put(
        landing,
        "email_events/b.ndjson",
        '{"event_type":"sent","occurred_at":"no time","email":"di@example.com"}',
        '{"event_type":"complaint","occurred_at":"no time","email":"bo@example.com"}',
        '{"email":"eve@example.com","event_ty',
    )
    warehouse.execute(
        "copy (select 'delivered' as event_type, 'no time' as occurred_at, 'cy@example.com' as "
        "email union all select 'bounce', 'no time', 'gus@example.com') to "
        f"'{landing / 'email_events' / 'c.parquet'}' (format parquet)"
    )

    _, before = load_and_judge(warehouse, landing, settings)

    # Ada, Flo, Bo, Eve and Gus.
    assert broken(before) == [("rejected_opt_outs", "email_events", 5)]
    assert "first row 3 of email_events/a.csv" in before.sentence
    assert "example.com" not in before.sentence


def test_a_quote_that_never_ends_may_hide_an_opt_out(
    warehouse: Connection, landing: Path, settings: DoorSettings
) -> None:
    put(
        landing,
        "email_events/day.csv",
        "event_type,occurred_at,email,campaign_id",
        "open,2026-03-02T10:00:00Z,ada@example.com,spring",
        'open,2026-03-02T10:00:00Z,bo@example.com,"spring',
        "unsubscribe,2026-03-02T10:00:00Z,cy@example.com,spring",
    )

    _, before = load_and_judge(warehouse, landing, settings)

    assert before.stopped


def test_files_that_cannot_be_read_warn_at_the_first_door_and_stop_at_the_last(
    warehouse: Connection, landing: Path, settings: DoorSettings
) -> None:
    put(
        landing,
        "email_events/good.csv",
        "event_type,occurred_at,email",
        "open,2026-03-02T10:00:00Z,ada@example.com",
    )
    put(landing, "consents/day.parquet", "this is no Parquet")
    whole = gzip.compress(b"event_type,occurred_at,email\n" + b"open,2026,ada@example.com\n" * 99)
    (landing / "email_events" / "half.csv.gz").write_bytes(whole[: len(whole) // 2])

    behind, before = load_and_judge(warehouse, landing, settings)

    assert broken(behind) == [
        ("rejected_files", "email_events", 1),
        ("rejected_files", "consents", 1),
    ]
    assert broken(before) == [
        ("rejected_opt_outs", "consents", 1),
        ("rejected_email_event_files", "email_events", 1),
    ]

    (landing / "email_events" / "half.csv.gz").write_bytes(
        gzip.compress(b"event_type,occurred_at,email\nopen,2026-03-02,ada@example.com\n")
    )
    (landing / "consents" / "day.parquet").unlink()
    warehouse.execute(
        "copy (select 'ada@example.com' as email, 'email_marketing' as purpose, 'granted' as "
        "status, timestamp '2026-03-01' as recorded_at) to "
        f"'{landing / 'consents' / 'day.parquet'}' (format parquet)"
    )
    behind, before = load_and_judge(warehouse, landing, settings, at=TUESDAY + timedelta(hours=1))
    assert broken(behind) == []
    assert broken(before) == []


def test_a_changed_file_of_withdrawals_stops_until_its_old_content_is_back(
    warehouse: Connection, landing: Path, settings: DoorSettings
) -> None:
    header = "email,purpose,status,recorded_at"
    granted = "ada@example.com,email_marketing,granted,2026-03-01T00:00:00Z"
    withdrawn = "ada@example.com,email_marketing,withdrawn,2026-03-02T00:00:00Z"
    put(landing, "email_events/day.csv", "event_type,occurred_at,email")
    put(landing, "consents/day.csv", header, granted)
    _, before = load_and_judge(warehouse, landing, settings)
    assert broken(before) == []

    put(landing, "consents/day.csv", header, granted, withdrawn)
    for hours in (1, 2):
        at = TUESDAY + timedelta(hours=hours)
        _, before = load_and_judge(warehouse, landing, settings, at=at)
        assert broken(before) == [("rejected_opt_outs", "consents", 1)]

    put(landing, "consents/day.csv", header, granted)
    put(landing, "consents/new.csv", header, withdrawn)
    _, before = load_and_judge(warehouse, landing, settings, at=TUESDAY + timedelta(hours=3))
    assert broken(before) == []


def test_opt_outs_that_nothing_reads_stop_until_they_are_loaded_under_a_better_name(
    warehouse: Connection, landing: Path, settings: DoorSettings
) -> None:
    withdrawn = '{"email":"ada@example.com","purpose":"email_marketing","status":"withdrawn",'
    put(landing, "email_events/day.csv", "event_type,occurred_at,email")
    put(landing, "consents/w.json", withdrawn + '"recorded_at":"2026-03-01"}')
    put(landing, "Consents/x.csv", "email,purpose,status,recorded_at")
    put(landing, "email_events/day.txt", "event_type,occurred_at,email", "open,,")
    put(landing, "erasure-requests/day.csv", "email,requested_at", "bo@example.com,2026-03-01")
    put(landing, "orders/readme.txt", "these are the orders")

    _, before = load_and_judge(warehouse, landing, settings)

    assert broken(before) == [
        ("rejected_opt_outs", "consents", 2),
        ("rejected_opt_outs", "erasure_requests", 1),
        ("rejected_email_event_files", "email_events", 1),
    ]
    assert "first the file Consents/x.csv; look at raw.loaded_files" in before.sentence

    (landing / "consents" / "w.json").rename(landing / "consents" / "w.ndjson")
    (landing / "Consents" / "x.csv").rename(landing / "consents" / "x.csv")
    (landing / "erasure-requests").rename(landing / "erasure_requests")
    (landing / "email_events" / "day.txt").unlink()
    _, before = load_and_judge(warehouse, landing, settings, at=TUESDAY + timedelta(hours=1))
    # What was in the file that was taken away, nobody knows.
    assert broken(before) == [("rejected_email_event_files", "email_events", 1)]


def test_a_refusal_under_an_address_of_nobody_is_named_by_file_and_row(
    warehouse: Connection, landing: Path, settings: DoorSettings
) -> None:
    put(
        landing,
        "email_events/day.csv",
        "event_type,occurred_at,email",
        "open,2026-03-02T10:00:00Z,<ada@example.com>",
        "unsubscribe,2026-03-02T10:00:00Z,ada@example.com",
        "unsubscribe,2026-03-02T10:00:00Z,<bo@example.com>",
        "complaint,2026-03-02T10:00:00Z,cy@example.com\u200b",
    )

    _, before = load_and_judge(warehouse, landing, settings)

    assert broken(before) == [("unreadable_refusal_addresses", "email_events", 2)]
    assert "first row 3 of email_events/day.csv" in before.sentence
    assert "example.com" not in before.sentence


def test_a_record_of_rejected_rows_that_was_emptied_opens_no_door(
    warehouse: Connection, landing: Path, settings: DoorSettings
) -> None:
    put(landing, "email_events/day.csv", "event_type,occurred_at,email")
    header = "email,purpose,status,recorded_at"
    put(landing, "consents/day.csv", header, "ada@example.com,email_marketing,out,2026-03-01")
    load_and_judge(warehouse, landing, settings)
    warehouse.execute("delete from raw.rejected_rows")

    _, before = load_and_judge(warehouse, landing, settings, at=TUESDAY + timedelta(hours=1))

    assert broken(before) == [("lost_rejected_rows", "consents", 1)]


def test_a_table_of_refusals_that_was_emptied_opens_no_door(
    warehouse: Connection, landing: Path, settings: DoorSettings
) -> None:
    put(
        landing,
        "email_events/day.csv",
        "event_type,occurred_at,email",
        "unsubscribe,2026-03-02T10:00:00Z,ada@example.com",
        "open,2026-03-02T10:00:00Z,bo@example.com",
    )
    put(landing, "erasure_requests/day.csv", "email,requested_at", "cy@example.com,2026-03-01")
    _, before = load_and_judge(warehouse, landing, settings)
    assert broken(before) == []

    warehouse.execute("delete from raw.email_events where event_type = 'unsubscribe'")
    warehouse.execute("delete from raw.erasure_requests")
    _, before = load_and_judge(warehouse, landing, settings, at=TUESDAY + timedelta(hours=1))
    assert broken(before) == [
        ("lost_refusal_rows", "email_events", 1),
        ("lost_refusal_rows", "erasure_requests", 1),
    ]


def test_taking_a_refused_file_away_opens_no_door(
    warehouse: Connection, landing: Path, settings: DoorSettings
) -> None:
    granted = "ada@example.com,email_marketing,granted,2026-03-01T00:00:00Z"
    put(landing, "email_events/day.csv", "event_type,occurred_at,email")
    put(landing, "email_events/night.csv", "event_type,email", "unsubscribe,bo@example.com")
    put(landing, "consents/day.csv", "email,purpose,status,recorded_at", granted)
    put(landing, "erasure_requests/day.csv", "email", "cy@example.com")
    load_and_judge(warehouse, landing, settings)
    put(landing, "consents/day.csv", "email,purpose,status,recorded_at", granted, granted)
    load_and_judge(warehouse, landing, settings, at=TUESDAY + timedelta(hours=1))
    for path in ("email_events/night.csv", "consents/day.csv", "erasure_requests/day.csv"):
        (landing / path).unlink()

    behind, before = load_and_judge(warehouse, landing, settings, at=TUESDAY + timedelta(hours=2))

    assert [f.rule for f in behind.warnings if f.rule == "rejected_files"] == []
    assert broken(before) == [
        ("rejected_opt_outs", "consents", 1),
        ("rejected_opt_outs", "erasure_requests", 1),
        ("rejected_email_event_files", "email_events", 1),
    ]


def test_a_batch_that_was_stopped_stays_stopped_until_enough_good_rows_have_come(
    warehouse: Connection, landing: Path, settings: DoorSettings
) -> None:
    header = "order_id,email,ordered_at,total_amount"
    good = [f"A{n},ada@example.com,2026-03-02T10:00:00Z,9.90" for n in range(70)]
    bad = [f"B{n},bo@example.com,2026-03-02T10:00:00Z,nine" for n in range(30)]
    put(
        landing,
        "contacts/all.csv",
        "contact_id,email,updated_at",
        "1,ada@example.com,2026-03-01T00:00:00Z",
    )
    put(landing, "orders/day.csv", header, *good, *bad)

    for hours in (0, 1):
        at = TUESDAY + timedelta(hours=hours)
        behind, _ = load_and_judge(warehouse, landing, settings, at=at)
        assert [(f.rule, f.table) for f in behind.stops] == [("rejected_rows", "orders")]
        assert "30 of 100 rows loaded into raw.orders" in behind.sentence
        assert "the first is row 71 of orders/day.csv" in behind.sentence

    more = [f"C{n},bo@example.com,2026-03-02T10:00:00Z,9.90" for n in range(200)]
    put(landing, "orders/mended.csv", header, *more)
    behind, _ = load_and_judge(warehouse, landing, settings, at=TUESDAY + timedelta(hours=2))
    assert broken(behind) == [("rejected_rows", "orders", 0.1)]


@pytest.mark.parametrize(
    ("folder", "as_of"),
    [("online-retail", "2011-12-10"), ("complete-journey", "2018-01-02")],
)
def test_real_shops_pass_both_doors_at_their_own_time(
    warehouse: Connection, settings: DoorSettings, folder: str, as_of: str
) -> None:
    landing = beside_the_project(f"{folder}/landing")

    behind, before = load_and_judge(
        warehouse, landing, settings, as_of=datetime.fromisoformat(as_of)
    )

    assert broken(behind) == []
    assert broken(before) == []
