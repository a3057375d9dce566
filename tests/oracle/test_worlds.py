"""The random worlds: repeatable, written without loss, and full of what can go wrong."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from ingestion import contract
from ingestion.loader import load
from tests.oracle.definitions import marts
from tests.oracle.raw import COLUMNS, Row
from tests.oracle.worlds import (
    DECIMALS,
    INTEGERS,
    TIMES,
    fill_raw,
    is_machine_agent,
    random_world,
    write_landing,
)


def test_columns_are_those_of_the_contract_in_its_order() -> None:
    assert {t.name: t.column_names for t in contract.TABLES.values()} == COLUMNS


def test_a_seed_always_makes_the_same_world_and_the_same_files(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        write_landing(random_world(3)[0], tmp_path / folder, random.Random(4))
    assert random_world(3) == random_world(3)
    one, other = (
        {p.relative_to(tmp_path / f): p.read_bytes() for p in (tmp_path / f).rglob("*.*")}
        for f in ("one", "other")
    )
    assert one == other
    assert len(one) > 5


def read_time(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value and value.tzinfo else value
    if str(value).isdigit():
        number = int(value)
        epoch = timedelta(seconds=number) if number < 10**11 else timedelta(milliseconds=number)
        return datetime(1970, 1, 1) + epoch  # noqa: DTZ001 - naive times are UTC here
    parsed = datetime.fromisoformat(str(value))
    return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed


def read_value(column: str, value: Any) -> Any:
    """Read one cell of any format by the contract's types."""
    if value is None or value == "":
        return None
    if column in TIMES:
        return read_time(value)
    if column in INTEGERS:
        return int(value)
    if column in DECIMALS:
        return Decimal(str(value)).normalize()
    if column == "birth_date":
        return value if isinstance(value, date) else date.fromisoformat(value)
    if column in ("is_machine", "is_deleted"):
        return str(value).lower() == "true"
    if column == "properties":
        return json.dumps(value if isinstance(value, dict) else json.loads(value))
    return value


def read_file(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        arrays = [
            array.cast("timestamp[us]") if str(array.type) == "timestamp[ns]" else array
            for array in table.columns
        ]
        columns = [array.to_pylist() for array in arrays]
        return [
            dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)
        ]
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    if ".csv" in path.suffixes:
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return [json.loads(line) for line in text.splitlines() if line]


def frozen(table: str, row: Row) -> tuple[Any, ...]:
    return tuple(read_value(column, row.get(column)) for column in COLUMNS[table])


def raw_rows(connection: duckdb.DuckDBPyConnection, table: str) -> Counter[tuple[Any, ...]]:
    listed = ", ".join(f'"{column}"' for column in COLUMNS[table])
    rows = connection.execute(f"select {listed} from raw.{table}").fetchall()
    return Counter(frozen(table, dict(zip(COLUMNS[table], row, strict=True))) for row in rows)


@pytest.mark.parametrize("seed", range(5))
def test_a_landing_folder_holds_every_row_to_the_microsecond(seed: int, tmp_path: Path) -> None:
    world, _ = random_world(seed)
    write_landing(world, tmp_path, random.Random(seed))
    for table in COLUMNS:
        files = [path for path in (tmp_path / table).rglob("*") if path.is_file()]
        rows = [
            {name.lower(): value for name, value in row.items()}
            for path in files
            for row in read_file(path)
        ]
        wanted = Counter(frozen(table, row) for row in world.rows(table))
        assert Counter(frozen(table, row) for row in rows) == wanted, table


@pytest.mark.parametrize("seed", [5, 12, 18])
def test_the_file_loader_gives_a_world_back(seed: int, tmp_path: Path) -> None:
    world, _ = random_world(seed)
    write_landing(world, tmp_path, random.Random(seed))
    connection = duckdb.connect(":memory:")
    report = load(connection, tmp_path, datetime(2026, 1, 1))  # noqa: DTZ001 - UTC
    assert not report.problems
    assert connection.execute("select count(*) from raw.rejected_rows").fetchall() == [(0,)]
    for table in COLUMNS:
        assert raw_rows(connection, table) == Counter(
            frozen(table, row) for row in world.rows(table)
        ), table


def test_a_filled_raw_schema_holds_every_row() -> None:
    world, as_of = random_world(1)
    connection = duckdb.connect(":memory:")
    fill_raw(world, connection, as_of)
    for table in COLUMNS:
        assert raw_rows(connection, table) == Counter(
            frozen(table, row) for row in world.rows(table)
        ), table


def test_forty_worlds_hold_every_tier_reason_segment_and_label() -> None:
    seen: Counter[tuple[str, Any]] = Counter()
    for seed in range(40):
        world, as_of = random_world(seed)
        tables = marts(world, as_of, is_machine_agent)
        for table, column in (
            ("marts.dim_profiles", "engagement_tier"),
            ("marts.dim_profiles", "engagement_tier_all_opens"),
            ("marts.dim_profiles", "engagement_tier_clicks_only"),
            ("marts.dim_profiles", "inactive_reason"),
            ("marts.dim_profiles", "suppression_reason"),
            ("marts.dim_profiles", "may_be_mailed"),
            ("marts.dim_profiles", "may_be_profiled"),
            ("marts.fct_email_events", "machine_reason"),
            ("marts.fct_orders", "status"),
            ("marts.fct_quarantined_rows", "source_table"),
            ("marts.fct_segment_members", "segment"),
            ("marts.ftr_churn", "is_churned"),
            ("marts.ftr_open_propensity", "is_opened"),
        ):
            seen.update((column, row[column]) for row in tables[table])

    tiers = ("highly_engaged", "moderately_engaged", "lapsing", "inactive")
    wanted: dict[str, tuple[Any, ...]] = {
        "engagement_tier": tiers,
        "engagement_tier_all_opens": tiers,
        "engagement_tier_clicks_only": tiers,
        "inactive_reason": ("new", "not_mailed", "opens_hidden", "ignored", None),
        "suppression_reason": ("hard_bounce", "complaint", "unsubscribe", None),
        "may_be_mailed": (True, False),
        "may_be_profiled": (True, False),
        "machine_reason": ("provider_flag", "user_agent", "too_fast", "burst", None),
        "status": ("placed", "paid", "cancelled", "refunded"),
        "source_table": ("email_events", "web_events", "orders", "contacts", "consents"),
        "segment": (
            "high_engagement", "potentially_interested", "recent_abandoners", "frequent_browsers",
            "high_value_cart_dropouts", "abandoned_cart_ny", "recent_category_buyers",
            "birthday_week", "win_back",
        ),
        "is_churned": (True, False, None),
        "is_opened": (True, False, None),
    }  # fmt: skip
    missing = [
        f"{column} {value}"
        for column, values in wanted.items()
        for value in values
        if seen[column, value] < 2
    ]
    assert missing == []
