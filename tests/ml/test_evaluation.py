from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from ml.evaluation import (
    brier,
    calibration_bins,
    calibration_error,
    deciles,
    evaluate,
    log_loss,
    pr_auc,
    roc_auc,
)

# Ada and Cy churned, Bo and Di did not.
CHURNED = [True, False, True, False]
SAID = [0.9, 0.8, 0.4, 0.1]


def test_roc_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    # Ada before Bo, Ada before Di, Cy before Di; Cy stands behind Bo: 3 of 4.
    assert roc_auc(CHURNED, SAID) == 0.75


def test_pr_auc_weighs_precision_by_the_recall_it_gains() -> None:
    # Ada: precision 1, half of the churned found; Cy, third in line: precision 2/3, the other half.
    assert pr_auc(CHURNED, SAID) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_log_loss_and_brier_are_means_over_the_rows() -> None:
    assert log_loss(CHURNED, SAID) == pytest.approx(
        -(math.log(0.9) + math.log(0.2) + math.log(0.4) + math.log(0.9)) / 4
    )
    assert brier(CHURNED, SAID) == pytest.approx((0.01 + 0.64 + 0.36 + 0.01) / 4)


def test_the_calibration_error_is_the_mean_gap_over_ten_bins() -> None:
    # Twenty people in ten bins of two. In every bin one of two churned; said were 0.1, 0.2, … 1.0
    # less 0.05: gaps 0.45, 0.35, 0.25, 0.15, 0.05 twice each.
    said = [tenth / 10 - 0.05 for tenth in range(1, 11) for _ in range(2)]
    churned = [True, False] * 10
    assert [each.rows for each in calibration_bins(churned, said)] == [2] * 10
    assert calibration_error(churned, said) == pytest.approx((0.45 + 0.35 + 0.25 + 0.15 + 0.05) / 5)


def test_people_with_one_probability_have_no_order_among_themselves() -> None:
    churned = [True] * 5 + [False] * 15
    said = [0.3] * 20
    assert roc_auc(churned, said) == 0.5
    assert calibration_error(churned, said) == pytest.approx(0.05)
    assert [each.precision for each in deciles(churned, said)] == pytest.approx([0.25] * 10)


def test_lift_says_how_many_times_the_base_rate_the_top_catches() -> None:
    # Two of ten churned: the first and the third in line.
    said = [0.95, 0.85, 0.75, 0.65, 0.55, 0.45, 0.35, 0.25, 0.15, 0.05]
    churned = [True, False, True, False, False, False, False, False, False, False]
    first, second, third, *_, last = deciles(churned, said)
    assert (first.rows, first.precision, first.recall, first.lift) == (1, 1.0, 0.5, 5.0)
    assert (second.precision, second.recall, second.lift) == (0.5, 0.5, 2.5)
    assert third.precision == pytest.approx(2 / 3)
    assert third.recall == 1.0
    assert (last.top_share, last.precision, last.recall, last.lift) == (1.0, 0.2, 1.0, 1.0)


def test_one_outcome_alone_cannot_be_tested() -> None:
    with pytest.raises(ValueError, match="both outcomes are needed"):
        evaluate([True, True], [0.5, 0.6])


def test_certainty_is_no_probability() -> None:
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        evaluate([True, False], [1.0, 0.5])


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.01, 0.2, 0.2001, 0.5, 0.77, 0.99])),
        min_size=2,
        max_size=40,
    ).filter(lambda rows: len({churned for churned, _ in rows}) == 2)
)
def test_the_measures_agree_with_scikit_learn_ties_included(rows: list[tuple[bool, float]]) -> None:
    churned, said = (np.array(values) for values in zip(*rows, strict=True))
    ours = evaluate(churned, said)
    assert ours.roc_auc == pytest.approx(metrics.roc_auc_score(churned, said))
    assert ours.pr_auc == pytest.approx(metrics.average_precision_score(churned, said))
    assert ours.log_loss == pytest.approx(metrics.log_loss(churned, said))
    assert ours.brier == pytest.approx(metrics.brier_score_loss(churned, said))
