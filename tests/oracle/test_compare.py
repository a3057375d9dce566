"""The comparison itself: silent where all agrees, and clear about each way of being wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import duckdb
import pytest

from tests.oracle.compare import COMPARISONS, differences
from tests.oracle.definitions import marts
from tests.oracle.raw import World
from tests.oracle.worlds import is_machine_agent, random_world

SEED = 11


@pytest.fixture
def built() -> Iterator[tuple[duckdb.DuckDBPyConnection, World, datetime]]:
    """Give a warehouse that was filled by the definitions themselves."""
    world, as_of = random_world(SEED)
    connection = duckdb.connect(":memory:")
    expected = marts(world, as_of, is_machine_agent)
    for schema in ("marts", "sync"):
        connection.execute(f"create schema {schema}")
    for comparison in COMPARISONS:
        rows = expected[comparison.table]
        assert rows, f"seed {SEED} leaves {comparison.table} empty: choose another"
        columns = list(rows[0])
        if comparison.has_profile:
            columns.append("profile_id")
        types = {
            column: "timestamp"
            if column.endswith("_at") or column.startswith("valid_")
            else "varchar"
            for column in columns
        }
        for column in columns:
            sample = next((row[column] for row in rows if row.get(column) is not None), None)
            if isinstance(sample, bool):
                types[column] = "boolean"
            elif isinstance(sample, int | float | Decimal):
                types[column] = "double"
        listed = ", ".join(f'"{column}" {types[column]}' for column in columns)
        connection.execute(f"create table {comparison.table} ({listed})")
        marks = ", ".join("?" for _ in columns)
        connection.executemany(
            f"insert into {comparison.table} values ({marks})",
            [[row.get(column, f"id of {row.get('email')}") for column in columns] for row in rows],
        )
    yield connection, world, as_of
    connection.close()


def test_a_warehouse_filled_by_the_definitions_differs_nowhere(
    built: tuple[duckdb.DuckDBPyConnection, World, datetime],
) -> None:
    assert differences(*built) == []


@pytest.mark.parametrize(
    ("tampering", "table", "words"),
    [
        ("update marts.dim_profiles set first_seen_at = first_seen_at + interval 1 microsecond",
         "marts.dim_profiles", "first_seen_at is"),
        ("update marts.dim_profiles set engagement_score = engagement_score + 0.0001",
         "marts.dim_profiles", "engagement_score is"),
        ("delete from marts.fct_email_events where rowid = 0",
         "marts.fct_email_events", "missing email="),
        ("insert into marts.fct_orders select * from marts.fct_orders limit 1",
         "marts.fct_orders", "extra order_id="),
        ("update marts.fct_web_events set url = 'https://elsewhere.example' where rowid = 0",
         "marts.fct_web_events", "url is 'https://elsewhere.example'"),
        ("delete from marts.fct_quarantined_rows where rowid = 0",
         "marts.fct_quarantined_rows", "missing source_table="),
        ("update marts.ftr_churn set is_churned = not is_churned",
         "marts.ftr_churn", "is_churned is"),
        ("alter table marts.rpt_campaign_performance drop column opens_unique",
         "marts.rpt_campaign_performance", "there is no column opens_unique"),
        ("drop table sync.profiles", "sync.profiles", "the table is not there"),
        ("drop table marts.dim_profiles", "marts.dim_profiles", "the table is not there"),
        ("update marts.fct_segment_members set profile_id = 'nobody'",
         "marts.fct_segment_members", "whose profile_id is not in marts.dim_profiles"),
    ],
)  # fmt: skip
def test_each_way_of_being_wrong_is_named(
    built: tuple[duckdb.DuckDBPyConnection, World, datetime],
    tampering: str,
    table: str,
    words: str,
) -> None:
    built[0].execute(tampering)
    found = differences(*built)
    assert found
    assert all(line.startswith(table + ":") for line in found)
    assert any(words in line for line in found)
