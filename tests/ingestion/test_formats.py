"""The same rows give the same raw table, whatever files bring them."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.contract import TABLES
from tests.ingestion.conftest import World, consent

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00\r", exclude_categories=("Cs",)),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip() != "")
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2026, 1, 1))  # noqa: DTZ001
CENTS = st.integers(-(10**17) + 1, 10**17 - 1).map(lambda cents: Decimal(cents) / 100)
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "timestamp": TIMES,
    "date": st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    "decimal": CENTS,
    "decimal(18,6)": st.integers(-(10**17), 10**17).map(lambda n: Decimal(n) / 10**6),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "json": st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(-5, 5), st.none()), max_size=2),
}


@st.composite
def rows_of_a_table(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    table = TABLES[draw(st.sampled_from(sorted(TABLES)))]
    cells = {}
    for column in table.columns:
        value = st.sampled_from(column.values) if column.values else STRATEGIES[column.type]
        must = column.is_required or column.name in table.needs_one_of
        cells[column.name] = value if must else st.none() | value
    return table.name, draw(st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=6))


def as_text(value: Any, draw: st.DrawFn) -> str:
    match value:
        case None:
            return ""
        case bool():
            return draw(
                st.sampled_from(["true", "T", "1", "Yes"] if value else ["false", "f", "0"])
            )
        case datetime():
            offset = draw(st.sampled_from([0, 2, -5]))
            local = (value + timedelta(hours=offset)).isoformat(draw(st.sampled_from(["T", " "])))
            return (
                f"{local}{offset:+03d}:00" if offset else local + draw(st.sampled_from(["", "Z"]))
            )
        case dict():
            return json.dumps(value)
        case _:
            return str(value)


def as_json(value: Any, draw: st.DrawFn) -> Any:
    if isinstance(value, datetime):
        return as_text(value, draw)
    return str(value) if isinstance(value, date | Decimal) else value


def as_physical(type_: str, values: list[Any], draw: st.DrawFn) -> pa.Array:
    match type_:
        case "timestamp":
            unit, zone = draw(st.sampled_from(["us", "ns"])), draw(st.sampled_from([None, "UTC"]))
            aware = [value and value.replace(tzinfo=UTC if zone else None) for value in values]
            return pa.array(aware, pa.timestamp(unit, zone))
        case "decimal" | "decimal(18,6)":
            return pa.array(values, pa.decimal128(38, draw(st.sampled_from([6, 8]))))
        case "json":
            return pa.array([None if value is None else json.dumps(value) for value in values])
        case "integer":
            return pa.array(values, pa.int64())
        case "boolean":
            return pa.array(values, pa.bool_())
        case "date":
            return pa.array(values, draw(st.sampled_from([pa.date32(), pa.date64()])))
        case _:
            array = pa.array(values, draw(st.sampled_from([pa.string(), pa.large_string()])))
            return array.dictionary_encode() if draw(st.booleans()) else array


def write(world: World, table: str, name: str, rows: list[dict[str, Any]], draw: st.DrawFn) -> None:
    columns = draw(st.permutations(list(TABLES[table].columns)))
    spelled = {
        c.name: draw(st.sampled_from([c.name, c.name.upper(), c.name.title()])) for c in columns
    }
    file = f"{table}/{name}"
    match draw(st.sampled_from(["csv", "csv.gz", "ndjson", "jsonl.gz", "parquet"])):
        case "csv" | "csv.gz" as ending:
            text = io.StringIO()
            writer = csv.writer(text, lineterminator=draw(st.sampled_from(["\n", "\r\n"])))
            writer.writerow([f" {spelled[c.name]}" for c in columns])
            writer.writerows([[as_text(row[c.name], draw) for c in columns] for row in rows])
            world.write(f"{file}.{ending}", text.getvalue())
        case "ndjson" | "jsonl.gz" as ending:
            world.write_json(
                f"{file}.{ending}",
                [{spelled[c.name]: as_json(row[c.name], draw) for c in columns} for row in rows],
            )
        case _:
            world.write_parquet(
                f"{file}.parquet",
                {
                    spelled[c.name]: as_physical(c.type, [row[c.name] for row in rows], draw)
                    for c in columns
                },
            )


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_format_any_split_and_any_order_of_columns_give_the_same_rows(
    data: st.DataObject,
) -> None:
    table, rows = data.draw(rows_of_a_table())
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=3)) | {0, len(rows)})
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        for n, (start, end) in enumerate(pairwise(cuts)):
            write(world, table, f"part-{n}", rows[start:end], data.draw)  # type: ignore[arg-type]
        report = world.load()
        assert not report.problems
        assert world.rejected() == []
        names = TABLES[table].column_names
        loaded = world.rows(f"select {', '.join(names)} from raw.{table} order by _file, _row")
        world.warehouse.close()
    assert [
        {
            name: json.loads(value) if name == "properties" and value is not None else value
            for name, value in zip(names, row, strict=True)
        }
        for row in loaded
    ] == rows


LINES = st.sampled_from(
    [
        "p1,a,b",
        "p2,,",
        'p3,"a, ""b""",c',
        "p4,a",
        "p5,a,b,c",
        'p6,"a"b,c',
        ",no id,x",
        "p7,é,ü",
        "p8,\udcff,x",
        "",
        "  ",
    ]
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(LINES, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_every_csv_line_is_loaded_or_rejected_under_its_own_number(
    lines: list[str], end: str, ends_with_one: bool
) -> None:
    content = end.join(["product_id,name,category", *lines]) + (end if ends_with_one else "")
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.write("products/a.csv", content.encode("utf-8", "surrogateescape"))
        report = world.load()
        assert not report.problems
        loaded = dict(world.rows("select _row, product_id from raw.products"))
        rejected = {number: text for number, _, text in world.rejected()}
        world.warehouse.close()
    data = [line for line in lines if line.strip()]
    usable = {
        n: line[:2] for n, line in enumerate(data, 1) if line[:2] in ("p1", "p2", "p3", "p4", "p7")
    }
    assert loaded == usable
    assert rejected == {
        n: line.replace("\udcff", r"\xff") for n, line in enumerate(data, 1) if n not in usable
    }


def test_numbers_of_json_keep_their_digits(world: World) -> None:
    # Through a binary float the first would end in .80 and the second be rounded up.
    world.write(
        "order_lines/a.ndjson",
        '{"order_id": 1.10, "line_number": 1, "product_id": 12345678901234567890, '
        '"quantity": 9007199254740993, "unit_price": 123456789012.123456}\n',
    )
    world.write(
        "orders/a.ndjson",
        '{"order_id":"o","email":"ada@example.com","ordered_at":1710037800.123456999,'
        '"total_amount":1234567890123456.78}\n',
    )
    world.load()
    assert world.rows(
        "select order_id, product_id, quantity, unit_price::text from raw.order_lines"
    ) == [("1.10", "12345678901234567890", 9007199254740993, "123456789012.123456")]
    assert world.rows("select total_amount::text, ordered_at::text from raw.orders") == [
        ("1234567890123456.78", "2024-03-10 02:30:00.123456")
    ]


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (pa.array([1710037800123456999], pa.timestamp("ns")), "2024-03-10 02:30:00.123456"),
        (
            pa.array([1710037800123456999], pa.timestamp("ns", "Asia/Tokyo")),
            "2024-03-10 02:30:00.123456",
        ),
        (pa.array([1710037800123], pa.timestamp("ms")), "2024-03-10 02:30:00.123"),
        (pa.array([1710037800], pa.timestamp("s", "America/Lima")), "2024-03-10 02:30:00"),
        (pa.array([date(2024, 3, 10)]), "2024-03-10 00:00:00"),
        (pa.array([1710037800], pa.int32()), "2024-03-10 02:30:00"),
        (pa.array([1710037800123], pa.int64()), "2024-03-10 02:30:00.123"),
        (pa.array([1710037800.5], pa.float64()), "2024-03-10 02:30:00.5"),
        (pa.array(["2024-03-10T04:30:00+02:00"]).dictionary_encode(), "2024-03-10 02:30:00"),
        (pa.array([b"2024-03-10"], pa.binary()), "2024-03-10 00:00:00"),
    ],
)
def test_parquet_times_of_any_type_are_utc(world: World, array: pa.Array, text: str) -> None:
    world.warehouse.execute("set timezone = 'America/New_York'")
    cells = {name: [value] for name, value in consent().items()}
    world.write_parquet("consents/a.parquet", {**cells, "recorded_at": array})
    world.load()
    assert world.column("select recorded_at::text from raw.consents") == [text]


def test_parquet_numbers_of_any_type_are_numbers(world: World) -> None:
    world.write_parquet(
        "order_lines/a.parquet",
        {
            "order_id": pa.array([1, 2, 3], pa.int16()),
            "line_number": pa.array([1.0, 2.0, 2.5]),
            "product_id": pa.array([True, False, True]),
            "quantity": pa.array(["1", " 2 ", "3"]),
            "unit_price": pa.array([0.1, 19.99, 1.0], pa.float32()),
        },
    )
    world.load()
    assert world.rows(
        "select order_id, line_number, product_id, quantity, unit_price::text from raw.order_lines"
    ) == [("1", 1, "true", 1, "0.100000"), ("2", 2, "false", 2, "19.990000")]
    assert [row[:2] for row in world.rejected()] == [(3, "line_number is not a whole number")]


def test_nested_values_become_json(world: World) -> None:
    event = {"event_type": "search", "occurred_at": "2024-01-01", "anonymous_id": "v1"}
    nested = {"terms": ["tea", "mug"], "page": 2}
    world.write_json("web_events/a.ndjson", [{**event, "properties": nested, "url": {"path": "/"}}])
    columns = {name: [value] for name, value in event.items()}
    world.write_parquet("web_events/b.parquet", {**columns, "properties": [nested]})
    world.write(
        "web_events/c.csv",
        ",".join(event)
        + ",properties\n"
        + ",".join(event.values())
        + ',"{""terms"": [""tea"", ""mug""], ""page"": 2}"\n',
    )
    world.load()
    assert world.rejected() == []
    loaded = world.column("select properties from raw.web_events order by _file")
    assert [json.loads(text) for text in loaded] == [nested] * 3
    assert world.column("select url from raw.web_events where url is not null") == ['{"path":"/"}']


def test_blank_cells_are_null_where_they_are_no_text(world: World) -> None:
    blank = consent(expires_at="  ", source="")
    world.write_json("consents/a.ndjson", [blank])
    world.write_parquet("consents/b.parquet", {name: [value] for name, value in blank.items()})
    world.write("consents/c.csv", ",".join(blank) + "\n" + ",".join(blank.values()) + "\n")
    world.load()
    assert world.rows("select expires_at, source from raw.consents order by _file") == [
        (None, ""),
        (None, ""),
        (None, None),
    ]
