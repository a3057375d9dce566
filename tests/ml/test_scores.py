from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ml import scores
from tests.ml.worlds import day, instants

MONDAY = day(12, 1)
TUESDAY = day(12, 2)


@pytest.fixture
def warehouse(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """A warehouse file with an empty table of scores."""
    connection = duckdb.connect(str(tmp_path / "warehouse.duckdb"))
    scores.prepare(connection)
    return connection


def _scores(target: str, at: datetime, **said: float) -> pa.Table:
    rows = len(said)
    return pa.table(
        [
            pa.array(list(said), pa.string()),
            pa.array([target] * rows, pa.string()),
            pa.array(list(said.values()), pa.float64()),
            pa.array(["v1"] * rows, pa.string()),
            instants([at] * rows),
            pa.nulls(rows, pa.string()),
        ],
        schema=scores.SCHEMA,
    )


def _kept(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return connection.sql(
        "select target, day(scored_at), profile_id, probability from ml.scores order by all"
    ).fetchall()


def test_a_scoring_done_again_replaces_itself_and_nothing_else(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    scores.write(warehouse, _scores("churn", MONDAY, Ada=0.1, Bo=0.2), "churn", MONDAY)
    scores.write(warehouse, _scores("open", MONDAY, Ada=0.3), "open", MONDAY)
    scores.write(warehouse, _scores("churn", TUESDAY, Ada=0.4), "churn", TUESDAY)
    written = scores.write(warehouse, _scores("churn", MONDAY, Bo=0.5, Cy=0.6), "churn", MONDAY)
    assert written == 2
    assert _kept(warehouse) == [
        ("churn", 1, "Bo", 0.5),
        ("churn", 1, "Cy", 0.6),
        ("churn", 2, "Ada", 0.4),
        ("open", 1, "Ada", 0.3),
    ]


def test_a_scoring_of_nobody_leaves_nobody(warehouse: duckdb.DuckDBPyConnection) -> None:
    scores.write(warehouse, _scores("churn", MONDAY, Ada=0.1), "churn", MONDAY)
    assert scores.write(warehouse, _scores("churn", MONDAY), "churn", MONDAY) == 0
    assert _kept(warehouse) == []


def test_preparing_again_keeps_what_is_there(warehouse: duckdb.DuckDBPyConnection) -> None:
    scores.write(warehouse, _scores("churn", MONDAY, Ada=0.1), "churn", MONDAY)
    scores.prepare(warehouse)
    assert _kept(warehouse) == [("churn", 1, "Ada", 0.1)]


def test_the_old_scores_stay_if_the_new_ones_cannot_be_written(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    scores.write(warehouse, _scores("churn", MONDAY, Ada=0.1), "churn", MONDAY)
    nameless = _scores("churn", MONDAY, Bo=0.2).set_column(
        0, "profile_id", pa.nulls(1, pa.string())
    )
    with pytest.raises(duckdb.ConstraintException):
        scores.write(warehouse, nameless, "churn", MONDAY)
    assert _kept(warehouse) == [("churn", 1, "Ada", 0.1)]


@pytest.mark.parametrize(
    ("target", "at"), [("open", MONDAY), ("churn", TUESDAY), ("churn", MONDAY + timedelta(hours=1))]
)
def test_scores_of_another_scoring_are_refused(
    warehouse: duckdb.DuckDBPyConnection, target: str, at: datetime
) -> None:
    with pytest.raises(ValueError, match="2 of 2 scores are not of churn at 2025-12-01T00:00:00"):
        scores.write(warehouse, _scores(target, at, Ada=0.1, Bo=0.2), "churn", MONDAY)


def test_the_columns_are_found_by_name_in_a_table_that_dbt_made(tmp_path: Path) -> None:
    connection = duckdb.connect(str(tmp_path / "warehouse.duckdb"))
    connection.execute(
        "create schema ml; create table ml.scores (reasons varchar, scored_at timestamp, "
        "model_version varchar, probability double, target varchar, profile_id varchar)"
    )
    scores.prepare(connection)
    scores.write(connection, _scores("churn", MONDAY, Ada=0.1), "churn", MONDAY)
    assert _kept(connection) == [("churn", 1, "Ada", 0.1)]


@pytest.mark.parametrize(
    ("value", "contribution", "said"),
    [
        (41.0, 0.5, "days since last open: 41 (raises churn)"),
        (1.25, -0.5, "days since last open: 1.25 (lowers churn)"),
        (100.0, 0.5, "days since last open: 100 (raises churn)"),
        (-0.001, 0.5, "days since last open: 0 (raises churn)"),
        (float("nan"), 0.5, "days since last open: unknown (raises churn)"),
    ],
)
def test_a_reason_can_be_read_aloud(value: float, contribution: float, said: str) -> None:
    assert scores.in_words("churn", "days_since_last_open", value, contribution) == said
