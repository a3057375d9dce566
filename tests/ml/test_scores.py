from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ml import scores
from ml.churn import CHURN
from ml.examples import FeaturesError
from ml.model import TrainedModel
from ml.open_propensity import OPEN_PROPENSITY
from ml.params import ReasonParams
from tests.ml.worlds import churn_world, day, score_table

MONDAY = day(12, 1)
TUESDAY = day(12, 2)

TODAY = """
    select * from features where cutoff_at = $as_of
"""
CHURN_TODAY = replace(CHURN, rows_query=TODAY)


@pytest.fixture
def warehouse(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """A warehouse of thirty people on Monday, ten on Tuesday, and an empty table of scores."""
    connection = duckdb.connect(str(tmp_path / "warehouse.duckdb"))
    monday = churn_world(30, (MONDAY,), seed=2, labelled=False).table
    tuesday = churn_world(10, (TUESDAY,), seed=3, labelled=False).table
    connection.register("two_days", pa.concat_tables([monday, tuesday]))
    connection.execute("create table features as select * from two_days")
    scores.prepare(connection)
    return connection


@pytest.fixture
def explaining(small_model: TrainedModel) -> Callable[[float], TrainedModel]:
    """Return the small model with reasons for another share of the people."""

    def explain(share: float) -> TrainedModel:
        return replace(small_model, reasons=ReasonParams(share=share, features=2))

    return explain


def _kept(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return connection.sql(
        "select target, scored_at, count(*) from ml.scores group by all order by all"
    ).fetchall()


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def test_scores_stay_as_history_with_the_version_of_their_model(
    warehouse: duckdb.DuckDBPyConnection, small_model: TrainedModel
) -> None:
    second = replace(small_model, version="the second")
    assert scores.replace(warehouse, CHURN_TODAY, small_model, as_of=MONDAY) == 30
    assert scores.replace(warehouse, CHURN_TODAY, second, as_of=TUESDAY) == 10
    assert warehouse.sql(
        "select scored_at, model_version, count(*) from ml.scores group by all order by all"
    ).fetchall() == [
        (_naive(MONDAY), small_model.version, 30),
        (_naive(TUESDAY), "the second", 10),
    ]


def test_a_scoring_done_again_replaces_itself_and_nothing_else(
    warehouse: duckdb.DuckDBPyConnection, small_model: TrainedModel
) -> None:
    of_opens = replace(OPEN_PROPENSITY, rows_query=TODAY)
    scores.replace(warehouse, CHURN_TODAY, small_model, as_of=MONDAY)
    scores.replace(warehouse, of_opens, replace(small_model, target="open"), as_of=MONDAY)
    scores.replace(warehouse, CHURN_TODAY, small_model, as_of=TUESDAY)
    warehouse.execute("delete from features where profile_id = 'profile-000000'")
    scores.replace(warehouse, CHURN_TODAY, small_model, as_of=MONDAY)
    assert _kept(warehouse) == [
        ("churn", _naive(MONDAY), 29),
        ("churn", _naive(TUESDAY), 10),
        ("open", _naive(MONDAY), 30),
    ]


def test_small_batches_make_the_scores_of_one_large_batch(
    warehouse: duckdb.DuckDBPyConnection, explaining: Callable[[float], TrainedModel]
) -> None:
    model, kept = explaining(0.5), "from ml.scores order by profile_id"
    scores.replace(warehouse, CHURN_TODAY, model, as_of=MONDAY)
    at_once = warehouse.sql(kept).fetchall()
    assert scores.replace(warehouse, CHURN_TODAY, model, as_of=MONDAY, batch_rows=7) == 30
    assert warehouse.sql(kept).fetchall() == at_once
    rows = warehouse.sql(TODAY, params={"as_of": _naive(MONDAY)}).to_arrow_table()
    said = score_table(model, rows).sort_by("profile_id")["probability"].to_pylist()
    assert [row[2] for row in at_once] == said


@pytest.mark.parametrize(("share", "explained"), [(0.0, 0), (0.1, 3), (0.11, 4), (1.0, 30)])
def test_the_most_probable_share_gets_reasons_and_nobody_else(
    warehouse: duckdb.DuckDBPyConnection,
    explaining: Callable[[float], TrainedModel],
    share: float,
    explained: int,
) -> None:
    scores.replace(warehouse, CHURN_TODAY, explaining(share), as_of=MONDAY)
    reasons = [
        reasons
        for (reasons,) in warehouse.sql(
            "select reasons from ml.scores order by probability desc, profile_id"
        ).fetchall()
    ]
    assert all(len(json.loads(each)) == 2 for each in reasons[:explained])
    assert reasons[explained:] == [None] * (30 - explained)


def test_of_equally_probable_people_the_smaller_ids_get_reasons(
    warehouse: duckdb.DuckDBPyConnection, explaining: Callable[[float], TrainedModel]
) -> None:
    warehouse.execute(
        "create or replace table features as select features.* replace (id as profile_id) "
        "from (from features where cutoff_at = ? limit 1) as features, "
        "unnest(['Cy', 'Ada', 'Di', 'Bo']) as ids(id)",
        [_naive(MONDAY)],
    )
    scores.replace(warehouse, CHURN_TODAY, explaining(0.5), as_of=MONDAY)
    assert warehouse.sql(
        "select profile_id from ml.scores where reasons is not null order by all"
    ).fetchall() == [("Ada",), ("Bo",)]


def test_without_a_model_the_scores_of_the_instant_are_empty(
    warehouse: duckdb.DuckDBPyConnection, small_model: TrainedModel
) -> None:
    scores.replace(warehouse, CHURN_TODAY, small_model, as_of=MONDAY)
    scores.replace(warehouse, CHURN_TODAY, small_model, as_of=TUESDAY)
    assert scores.replace(warehouse, CHURN_TODAY, None, as_of=MONDAY) == 0
    assert _kept(warehouse) == [("churn", _naive(TUESDAY), 10)]


def test_preparing_again_keeps_what_is_there(
    warehouse: duckdb.DuckDBPyConnection, small_model: TrainedModel
) -> None:
    scores.replace(warehouse, CHURN_TODAY, small_model, as_of=MONDAY)
    scores.prepare(warehouse)
    assert _kept(warehouse) == [("churn", _naive(MONDAY), 30)]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("update features set profile_id = null where profile_id > 'profile-000025'", "profile_id"),
        ("update features set chatter = 'infinity' where profile_id > 'profile-000025'", "chatter"),
        ("alter table features drop chatter", "chatter"),
    ],
)
def test_the_old_scores_stay_if_the_new_ones_cannot_be_made(
    warehouse: duckdb.DuckDBPyConnection, small_model: TrainedModel, damage: str, named: str
) -> None:
    scores.replace(warehouse, CHURN_TODAY, small_model, as_of=MONDAY)
    before = warehouse.sql("from ml.scores order by all").fetchall()
    warehouse.execute(damage)
    # In batches of seven the first are written before the bad row is met.
    with pytest.raises(FeaturesError, match=named):
        scores.replace(warehouse, CHURN_TODAY, small_model, as_of=MONDAY, batch_rows=7)
    assert warehouse.sql("from ml.scores order by all").fetchall() == before
    assert _kept(warehouse) == [("churn", _naive(MONDAY), 30)]


def test_rows_of_another_instant_are_refused(
    warehouse: duckdb.DuckDBPyConnection, small_model: TrainedModel
) -> None:
    everybody = replace(CHURN, rows_query="select * from features where $as_of is not null")
    with pytest.raises(ValueError, match="10 of 40 rows to score are not of 2025-12-01T00:00:00"):
        scores.replace(warehouse, everybody, small_model, as_of=MONDAY)
    assert _kept(warehouse) == []


def test_a_model_of_another_target_is_refused(
    warehouse: duckdb.DuckDBPyConnection, small_model: TrainedModel
) -> None:
    with pytest.raises(ValueError, match="a model of churn cannot score open"):
        scores.replace(warehouse, OPEN_PROPENSITY, small_model, as_of=MONDAY)


def test_the_columns_are_found_by_name_in_a_table_that_dbt_made(
    warehouse: duckdb.DuckDBPyConnection, small_model: TrainedModel
) -> None:
    warehouse.execute(
        "create or replace table ml.scores (reasons varchar, scored_at timestamp, "
        "model_version varchar, probability double, target varchar, profile_id varchar)"
    )
    scores.prepare(warehouse)
    scores.replace(warehouse, CHURN_TODAY, small_model, as_of=MONDAY)
    assert _kept(warehouse) == [("churn", _naive(MONDAY), 30)]


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
