from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from ml.examples import Examples, read_examples
from ml.instants import to_microseconds
from ml.params import Params
from ml.split import Split, divide
from tests.ml.worlds import AS_OF, CUTOFFS, churn_world, day, instants


def _months(examples: Examples, part: np.ndarray) -> set[int]:
    days = examples.times[part].astype("datetime64[us]").astype("datetime64[M]")
    return {int(month) % 12 + 1 for month in days.astype(np.int64)}


def _divided(params: Params, cutoffs: tuple[datetime, ...]) -> tuple[Examples, Split]:
    table = churn_world(1_000, cutoffs, seed=2).table
    examples = read_examples(table, params.churn, as_of=AS_OF)
    split = divide(examples, params.churn)
    assert split is not None
    return examples, split


# A label of 1 February is known on 3 March: it may not stand before a part that begins in March.
@pytest.mark.parametrize(
    ("months", "scheme", "expected"),
    [
        (range(1, 12), "by_time", [set(range(1, 10)), {10}, {10}, {11}]),
        (range(1, 6), "by_time", [{1, 2, 3}, {4}, {4}, {5}]),
        (range(1, 5), "shared_past", [{1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {4}]),
        (range(1, 4), "shared_past", [{1}, {1}, {1}, {3}]),
        (range(7, 9), "shared_past", [{7}, {7}, {7}, {8}]),
        (range(7, 8), "by_person", [{7}, {7}, {7}, {7}]),
    ],
)
def test_few_cutoffs_share_what_many_have_each_for_themselves(
    params: Params, months: range, scheme: str, expected: list[set[int]]
) -> None:
    cutoffs = tuple(cutoff for cutoff in CUTOFFS if cutoff.month in months)
    examples, split = _divided(params, cutoffs)
    assert split.scheme == scheme
    assert [_months(examples, part) for part in split.parts().values()] == expected


@pytest.mark.parametrize("count", range(1, 12))
def test_no_label_reaches_into_a_younger_part_and_nobody_is_on_both_sides(
    params: Params, count: int
) -> None:
    examples, split = _divided(params, CUTOFFS[:count])
    horizon = params.churn.horizon_hours * 3_600_000_000
    parts = list(split.parts().values())
    for position, older in enumerate(parts):
        for younger in parts[position + 1 :]:
            known = examples.times[older].max() + horizon <= examples.times[younger].min()
            strangers = not set(examples.profiles[older]) & set(examples.profiles[younger])
            assert known or strangers


def test_messages_are_kept_apart_by_the_hours_in_which_they_may_be_opened(params: Params) -> None:
    # One message an hour for 2,000 hours; a part ends 72 h before the next begins.
    first, rows = day(6), 2_000
    examples = Examples(
        feature_names=("opens",),
        features=np.zeros((rows, 1), dtype=np.float32),
        labels=np.arange(rows) % 2 == 0,
        times=np.array([to_microseconds(first + timedelta(hours=hour)) for hour in range(rows)]),
        keys=np.arange(rows, dtype=np.uint64),
        # Two messages to Ada, two to Bo, by turns; their hashes lie in different halves.
        profiles=np.where(np.arange(rows) // 2 % 2 == 0, np.uint64(0), np.uint64(2**63)),
        rows_known=rows,
    )
    split = divide(examples, params.open_propensity)
    assert split is not None
    assert split.scheme == "by_time"
    # A tenth each: 200 messages. The newest are 1800 to 1999, so the tuning may end with 1728.
    assert (split.test.min(), split.test.max()) == (1_800, 1_999)
    assert split.validation.tolist() == [n for n in range(1_529, 1_729) if n % 4 in (0, 1)]
    assert split.calibration.tolist() == [n for n in range(1_529, 1_729) if n % 4 in (2, 3)]
    assert (split.training.min(), split.training.max()) == (0, 1_457)


def test_a_part_grows_until_it_holds_enough_of_both_outcomes(params: Params) -> None:
    # Nobody churned at the newest two of eleven cutoffs: they alone could judge no model.
    world = churn_world(400, seed=3)
    recent = pa.compute.greater_equal(world.table["cutoff_at"], instants([day(10)])[0])
    calm = pa.compute.and_(world.table["is_churned"], pa.compute.invert(recent))
    table = world.table.set_column(
        world.table.schema.get_field_index("is_churned"), "is_churned", calm
    )
    examples = read_examples(table, params.churn, as_of=AS_OF)
    split = divide(examples, params.churn)
    assert split is not None
    assert _months(examples, split.test) == {9, 10, 11}
