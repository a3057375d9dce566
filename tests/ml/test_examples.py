from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from ml.examples import FeaturesError, read_examples
from ml.params import Params, TargetParams
from tests.ml.worlds import AS_OF, churn_world, day, instants

NOVEMBER, DECEMBER = day(11), day(12)


def _table(**columns: object) -> pa.Table:
    """Ada, Bo and Cy at the cutoff of November, unless `columns` say otherwise."""
    people = {
        "profile_id": ["Ada", "Bo", "Cy"],
        "cutoff_at": instants([NOVEMBER] * 3),
        "emails_opened_last_30_days": [4, 0, 1],
        "is_churned": [False, True, False],
    }
    return pa.table({**people, **columns})


def test_numbers_and_booleans_are_features_and_unknown_is_nan(params: Params) -> None:
    table = _table(
        revenue_last_365_days=pa.array([Decimal("12.50"), None, Decimal(0)], pa.decimal128(38, 2)),
        is_subscriber=[True, False, None],
        city=["Oslo", "Rome", "Bonn"],
        days_since_last_order=pa.nulls(3, pa.int32()),
    )
    examples = read_examples(table, params.churn, as_of=AS_OF)
    assert examples.feature_names == (
        "days_since_last_order",
        "emails_opened_last_30_days",
        "is_subscriber",
        "revenue_last_365_days",
    )
    nan = np.nan
    rows = {tuple(map(str, row)) for row in examples.features.tolist()}
    expected = [(nan, 4.0, 1.0, 12.5), (nan, 0.0, 0.0, nan), (nan, 1.0, nan, 0.0)]
    assert rows == {tuple(map(str, row)) for row in expected}


def test_columns_that_are_left_out_are_no_features(params: Params) -> None:
    silent = params.churn.model_copy(update={"leave_out": ("emails_*",)})
    examples = read_examples(_table(orders=[1, 2, 3]), silent, as_of=AS_OF)
    assert examples.feature_names == ("orders",)


def test_a_label_counts_from_the_instant_on_that_its_horizon_has_passed(params: Params) -> None:
    # 1 November and 30 days: 1 December, 00:00.
    known = read_examples(_table(), params.churn, as_of=DECEMBER)
    too_early = read_examples(_table(), params.churn, as_of=DECEMBER - timedelta(microseconds=1))
    assert (known.rows_known, too_early.rows_known) == (3, 0)


def test_a_row_without_a_label_trains_nobody(params: Params) -> None:
    examples = read_examples(_table(is_churned=[False, None, True]), params.churn, as_of=AS_OF)
    assert examples.rows_known == 2
    assert sorted(examples.labels) == [False, True]


def test_the_order_and_the_batches_of_the_rows_do_not_matter(
    params: Params, altered: Callable[..., TargetParams]
) -> None:
    table = churn_world(300, seed=5).table
    shuffled = table.take(pa.array(np.random.default_rng(5).permutation(table.num_rows)))
    few = altered(params.churn, "sample", rows=500)
    for settings, rows in ((params.churn, 3_300), (few, 500)):
        whole = read_examples(table, settings, as_of=AS_OF)
        reader = pa.RecordBatchReader.from_batches(
            table.schema, shuffled.to_batches(max_chunksize=97)
        )
        parts = read_examples(reader, settings, as_of=AS_OF)
        assert whole.fingerprint() == parts.fingerprint()
        assert (len(whole.labels), whole.rows_known) == (rows, 3_300)


def test_a_smaller_sample_is_part_of_a_larger_one(
    params: Params, altered: Callable[..., TargetParams]
) -> None:
    table = churn_world(300, seed=5).table
    small, large = (
        set(read_examples(table, altered(params.churn, "sample", rows=rows), as_of=AS_OF).keys)
        for rows in (200, 1_000)
    )
    assert small < large


def test_a_time_with_a_zone_is_the_same_instant(params: Params) -> None:
    utc = read_examples(_table(), params.churn, as_of=AS_OF)
    oslo = (
        _table()["cutoff_at"]
        .cast(pa.timestamp("us", "UTC"))
        .cast(pa.timestamp("us", "Europe/Oslo"))
    )
    zoned = read_examples(_table(cutoff_at=oslo), params.churn, as_of=AS_OF)
    assert zoned.fingerprint() == utc.fingerprint()


@pytest.mark.parametrize("column", ["profile_id", "cutoff_at", "is_churned"])
def test_a_missing_column_is_named(params: Params, column: str) -> None:
    with pytest.raises(FeaturesError, match=f"no column {column}"):
        read_examples(_table().drop_columns([column]), params.churn, as_of=AS_OF)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"open_rate": [0.5, np.inf, 0.1]}, "open_rate is infinite"),
        ({"is_churned": [0, 1, 0]}, "is_churned is int64, not a boolean"),
        ({"cutoff_at": ["2025-11-01"] * 3}, "cutoff_at is string, not a timestamp"),
        (
            {"cutoff_at": pa.array([NOVEMBER, None, NOVEMBER], pa.timestamp("us", "UTC"))},
            "has no cutoff_at",
        ),
    ],
)
def test_values_that_no_model_can_read_are_named(
    params: Params, columns: dict[str, object], message: str
) -> None:
    with pytest.raises(FeaturesError, match=message):
        read_examples(_table(**columns), params.churn, as_of=AS_OF)


def test_a_table_without_a_feature_says_so(params: Params) -> None:
    bare = _table().drop_columns(["emails_opened_last_30_days"])
    with pytest.raises(FeaturesError, match="have no feature"):
        read_examples(bare, params.churn, as_of=AS_OF)
