"""Files that others wrote: real shops, CSV with traps, strings that break programs."""

import csv
import json

import pytest

from tests.ingestion.conftest import World, consent
from tests.real_data import beside_the_project


def test_the_gift_shop_is_loaded_whole(world: World) -> None:
    world.landing = beside_the_project("online-retail") / "landing"
    report = world.load()
    assert {
        name: table.rows_loaded for name, table in report.tables.items() if table.rows_loaded
    } == {
        "orders": 22_190,
        "order_lines": 406_829,
        "products": 3_684,
        "contacts": 4_372,
        "consents": 7_854,
    }
    assert not report.problems
    assert sum(table.rows_rejected for table in report.tables.values()) == 0
    assert [(c.table, c.column) for c in report.unknown_columns] == [("contacts", "country_name")]
    assert world.rows(
        "select min(ordered_at)::date::text, max(ordered_at)::date::text from raw.orders"
    ) == [("2010-12-01", "2011-12-09")]


def test_the_grocer_is_loaded_whole(world: World) -> None:
    world.landing = beside_the_project("complete-journey") / "landing"
    report = world.load()
    loaded = {name: table.rows_loaded for name, table in report.tables.items()}
    assert (loaded["orders"], loaded["order_lines"], loaded["email_events"]) == (
        47_243,
        75_000,
        6_589,
    )
    assert loaded["campaigns"] == 27
    assert not report.problems
    assert sum(table.rows_rejected for table in report.tables.values()) == 0


@pytest.mark.parametrize(
    "name",
    [
        *("comma_in_quotes", "empty", "empty_crlf", "escaped_quotes", "json", "newlines"),
        *("newlines_crlf", "quotes_and_newlines", "simple", "simple_crlf", "utf8"),
    ],
)
def test_every_trap_of_csv_spectrum_means_what_it_says(world: World, name: str) -> None:
    folder = beside_the_project("csv-spectrum")
    meaning = json.loads((folder / "json" / f"{name}.json").read_text())
    content = (folder / "csvs" / f"{name}.csv").read_bytes().decode()
    end = "\n"
    if name.endswith("_crlf"):
        # The folder's copy has lost the line ends that its meaning still has.
        content = content.replace("\r\n", "\n").replace("\n", "\r\n")
        end = "\r\n"
    header, body = content.split(end, 1)
    keys = next(csv.reader([header]))
    # The files' own columns become texts of a product, in their order.
    columns = ["product_id", "name", "category", "description", "price"][: len(keys)]
    world.write("products/a.csv", ",".join(columns) + end + body)
    if len(keys) == 5:
        # The fifth is a postal code, which is a price here and has no leading zero.
        meaning = [{**row, keys[4]: row[keys[4]].lstrip("0")} for row in meaning]
    world.load()
    texts = [c if c != "price" else "price::int::text" for c in columns]
    loaded = world.rows(f"select {', '.join(texts)} from raw.products order by _row")
    expected = [tuple(row[key] or None for key in keys) for row in meaning]
    assert loaded == [row for row in expected if row[0] is not None]
    assert [reason for _, reason, _ in world.rejected()] == ["product_id is missing"] * sum(
        row[0] is None for row in expected
    )


def test_naughty_strings_come_back_as_they_went_in_from_every_format(world: World) -> None:
    strings = json.loads((beside_the_project("naughty-strings") / "blns.json").read_text())
    rows = [{"product_id": str(n), "name": text} for n, text in enumerate(strings)]
    world.write_json("products/a.ndjson", rows)
    world.write_parquet(
        "products/b.parquet", {key: [row[key] for row in rows] for key in ("product_id", "name")}
    )
    (world.landing / "products/c.csv").parent.mkdir(exist_ok=True)
    with (world.landing / "products/c.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["product_id", "name"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    report = world.load()
    assert not report.problems
    assert world.rejected() == []
    for name, empty in (("a.ndjson", ""), ("b.parquet", ""), ("c.csv", None)):
        loaded = world.column(
            f"select name from raw.products where _file = 'products/{name}' order by _row"
        )
        assert loaded == [text or empty for text in strings]


def test_naughty_strings_in_every_cell_reject_rows_and_never_the_load(world: World) -> None:
    strings = json.loads((beside_the_project("naughty-strings") / "blns.json").read_text())
    for column in ("email", "recorded_at", "expires_at", "status"):
        rows = [consent(**{column: text}) for text in strings]
        world.write_json(f"consents/{column}.ndjson", rows)
    report = world.load()
    assert not report.problems
    counts = report.tables["consents"]
    assert counts.rows_loaded + counts.rows_rejected == 4 * len(strings)
    assert world.column("select count(*) from raw.consents where status not in ('granted')") == [0]
