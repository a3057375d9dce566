"""Bad input: each a clear message, the right exit status, and nothing lost or half-written."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.orchestration import shop
from tests.orchestration.checkout import Place, small_disk
from tests.orchestration.conftest import FirstRun
from tests.orchestration.shop import TUESDAY
from tests.real_data import beside_the_project


def test_an_empty_landing_folder_is_told_what_it_wants(empty: Place) -> None:
    empty.landing.mkdir()

    ended = empty.run(TUESDAY)

    assert ended.status == 3
    assert "raw.email_events and raw.contacts hold no row" in ended.last_line
    assert "put files into the landing folder's email_events or contacts" in ended.last_line
    assert empty.deliveries() == []
    assert empty.rows("select count(*) from duckdb_tables() where schema_name = 'marts'") == [(0,)]


@pytest.mark.slow
def test_a_bad_file_is_named_although_a_door_stops_the_line(empty: Place) -> None:
    (empty.landing / "contacts").mkdir(parents=True)
    (empty.landing / "contacts" / "crm.parquet").write_bytes(b"PK\x03\x04 no Parquet at all")

    ended = empty.run(TUESDAY)

    assert ended.status == 3
    assert "not loaded: contacts/crm.parquet" in ended.err
    assert "required_tables: nothing was loaded" in ended.last_line


@pytest.mark.slow
def test_bad_files_are_named_at_the_end_and_everything_else_goes_through(empty: Place) -> None:
    shop.fill(empty)
    (empty.landing / "orders").mkdir()
    (empty.landing / "orders" / "excel.parquet").write_bytes(b"PK\x03\x04 no Parquet at all")
    broken = gzip.compress(b'{"event_type":"page_view"}\n' * 1000)[:-20]
    (empty.landing / "web_events" / "cut.ndjson.gz").write_bytes(broken)

    empty.put("products/endless.csv", "product_id,name", "mug,Mug", 'pot,"Pot that never')

    ended = empty.run(TUESDAY)

    assert ended.status == 1
    assert ended.last_line == (
        "3 files were not loaded; each is named above, and in raw.loaded_files"
    )
    for file in ("orders/excel.parquet", "products/endless.csv", "web_events/cut.ndjson.gz"):
        assert len([x for x in ended.out.splitlines() if f"not loaded: {file}" in x]) == 1
    assert "Traceback" not in ended.err
    assert " ".join(ended.out.split()).count(shop.FIRST_DELIVERY) == 1
    assert empty.rows("select count(*) from marts.dim_profiles") == [(4,)]
    assert empty.rows(
        "select table_name, path from raw.loaded_files where status = 'rejected' order by all"
    ) == [
        ("orders", "orders/excel.parquet"),
        ("products", "products/endless.csv"),
        ("web_events", "web_events/cut.ndjson.gz"),
    ]


def fill_with_bad_rows(place: Place) -> None:
    """Put 5 rows beside the shop that cannot be used, and 3 that can, one of them odd."""
    place.put(
        "orders/bad.csv",
        "Total_Amount,EMAIL,order_id,ordered_at",
        "10.00,ada@tuesday.example,good,2026-03-01T00:00:00Z",
        "10.00,ada@tuesday.example,old,1970-01-01T00:00:00Z",
        "10.00,ada@tuesday.example,late,2999-01-01T00:00:00Z",
        "NaN,ada@tuesday.example,nothing,2026-03-01T00:00:00Z",
        "10.00,ada@tuesday.example,many,2026-03-01T00:00:00Z,one,two",
    )
    place.put(
        "web_events/half.ndjson",
        '{"event_type":"page_view","occurred_at":"2026-03-01T00:00:00Z","anonymous_id":"a"}',
        '{"event_type":"page_view","occurred_at":"2026-03-01T00:00:00Z","anonym',
    )
    place.put(
        "contacts/long.csv",
        "contact_id,email,updated_at",
        f"9,{'x' * 10_000}@tuesday.example,2026-01-01T00:00:00Z",
    )


@pytest.mark.slow
def test_rows_that_cannot_be_used_are_kept_with_the_reason_and_are_no_error(empty: Place) -> None:
    shop.fill(empty)
    fill_with_bad_rows(empty)

    ended = empty.run(TUESDAY)

    assert ended.status == 0, ended.err
    assert empty.rows("select order_id from raw.orders") == [("good",)]
    assert empty.rows(
        "select table_name, path, row_number from raw.rejected_rows order by all"
    ) == [
        ("orders", "orders/bad.csv", 2),
        ("orders", "orders/bad.csv", 3),
        ("orders", "orders/bad.csv", 4),
        ("orders", "orders/bad.csv", 5),
        ("web_events", "web_events/half.ndjson", 2),
    ]
    assert empty.rows("select max(length(email)) from raw.contacts") == [(10_016,)]
    assert empty.rows("select count(*) from marts.dim_profiles") == [(4,)]
    assert empty.rows(
        "select lifetime_orders from marts.dim_profiles where email like 'ada@%'"
    ) == [(1,)]


@pytest.mark.slow
def test_naughty_names_go_through_unharmed(empty: Place) -> None:
    strings = beside_the_project("naughty-strings/blns.json").read_text("utf-8")
    names = [name for name in json.loads(strings) if name.strip()]
    shop.fill(empty)
    empty.put(
        "contacts/naughty.ndjson",
        *(
            json.dumps(
                {
                    "contact_id": f"n{number}",
                    "email": f"n{number}@tuesday.example",
                    "first_name": name,
                    "updated_at": "2026-01-01T00:00:00Z",
                }
            )
            for number, name in enumerate(names)
        ),
    )

    ended = empty.run(TUESDAY)

    assert ended.status == 0, ended.err
    assert empty.rows("select count(*) from marts.dim_profiles") == [(4 + len(names),)]
    kept = dict(
        empty.rows("select contact_id, first_name from raw.contacts where contact_id ^@ 'n'")
    )
    assert kept == {f"n{number}": name for number, name in enumerate(names)}


@pytest.mark.slow
def test_a_consent_that_could_not_be_read_stops_the_delivery_alone(empty: Place) -> None:
    shop.fill(empty)
    empty.put(
        "consents/broken.csv",
        "email,purpose,status,recorded_at",
        "ada@tuesday.example,email_marketing,perhaps,2026-03-02T00:00:00Z",
    )

    ended = empty.run(TUESDAY)

    assert ended.status == 3
    assert "the door before_delivery stopped the batch: rejected_opt_outs: 1 row" in ended.last_line
    assert "raw.rejected_rows" in ended.last_line
    assert "ada" not in ended.last_line
    assert empty.rows("select count(*) from marts.dim_profiles") == [(4,)]
    assert empty.deliveries() == []


@pytest.mark.slow
def test_an_event_that_nobody_understands_stops_everything_until_it_is_gone(built: Place) -> None:
    before = built.deliveries()
    built.change(
        "insert into raw.email_events (event_type, occurred_at, email, _loaded_at) values "
        "('opt_out', '2026-03-03', 'ada@tuesday.example', '2026-03-03')"
    )

    for ended in (built.run(TUESDAY), built.run(TUESDAY)):
        assert ended.status == 3
        assert "the door after_loading stopped the batch: known_email_event_types" in (
            ended.last_line
        )
        assert built.rows("select count(*) from marts.fct_builds") == [(1,)]
        assert built.deliveries() == before

    built.change("delete from raw.email_events where event_type = 'opt_out'")
    assert built.run(TUESDAY).status == 0
    assert built.rows("select count(*) from marts.fct_builds") == [(2,)]


@pytest.mark.slow
def test_a_batch_with_too_many_bad_rows_stays_out_until_somebody_has_looked(
    first_run: FirstRun, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    checkout = first_run.place.checkout.copied(tmp_path_factory.mktemp("patient"))
    place = Place(checkout, tmp_path)
    shop.fill(place)
    place.put(
        "orders/moved.csv",
        "order_id,email,ordered_at,total_amount",
        *(f"{number},ada@tuesday.example,2026-03-01T00:00:00Z,ten" for number in range(30)),
    )

    for ended in (place.run(TUESDAY), place.run(TUESDAY)):
        assert ended.status == 3
        assert "rejected_rows: 30 of 30 rows loaded into raw.orders" in ended.last_line
        assert place.deliveries() == []

    told = re.search(r" to (\d{4}-\S+Z)\.", ended.last_line)
    assert told is not None
    looked_at = told[1]
    doors = checkout.root / "expectations" / "doors.yml"
    text = doors.read_text(encoding="utf-8")
    rule = "rows_at_least: 25}\n    reviewed_until: "
    assert f"{rule}null" in text
    doors.write_text(text.replace(f"{rule}null", f"{rule}{looked_at}"), encoding="utf-8")

    assert place.run(TUESDAY).status == 0
    assert len(place.deliveries()) == 1


@pytest.mark.slow
def test_a_warehouse_of_another_schema_is_told_how_to_go_on(built: Place) -> None:
    built.change("alter table raw.orders alter total_amount type double")

    ended = built.run(TUESDAY)

    assert ended.status == 1
    assert "raw.orders.total_amount is DOUBLE and should be DECIMAL(18,2)" in ended.last_line
    assert "or name a new file with --warehouse" in ended.last_line
    assert "Traceback" not in ended.err
    assert built.rows("select count(*) from marts.fct_builds") == [(1,)]


@pytest.mark.slow
def test_a_disk_that_fills_up_under_the_warehouse_is_told_and_loses_nothing(
    built: Place, tmp_path: Path
) -> None:
    built.put(
        "products/many.csv",
        "product_id,name",
        *(f"p{number},{number * 7919 % 1_000_003} {number:x}" for number in range(300_000)),
    )
    room = built.warehouse.stat().st_size + 500_000
    with small_disk(tmp_path / "disk", room) as disk:
        shutil.copy2(built.warehouse, disk)
        full = disk / built.warehouse.name

        ended = built.checkout.mailmart(*built.run_arguments(TUESDAY), "--warehouse", full)

        assert ended.status == 1, ended.err
        assert "Traceback" not in ended.err
        assert "free some space and run again: what was loaded stays" in ended.last_line
        shutil.copy2(full, built.warehouse)
    assert built.rows("select count(*) from raw.products") == [(0,)]

    assert built.run(TUESDAY).status == 0
    assert built.rows("select count(*) from raw.products") == [(300_000,)]


@pytest.mark.slow
def test_a_disk_that_is_full_under_the_history_of_runs_is_named(
    built: Place, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 200_000) as disk:
        ended = built.checkout.mailmart(*built.run_arguments(TUESDAY), DAGSTER_HOME=str(disk))

        assert ended.status == 1
        assert f"Dagster's history in {disk} cannot be kept" in ended.last_line
        assert "make room there or set DAGSTER_HOME to another folder" in ended.last_line
        assert "Traceback" not in ended.err
