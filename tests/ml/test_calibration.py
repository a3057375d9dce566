from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from ml.calibration import fit_calibration
from ml.evaluation import calibration_error

METHODS: list[Literal["platt", "beta"]] = ["platt", "beta"]


def _truth(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-1.5, 1.2, rows)
    return log_odds, rng.random(rows) < 1 / (1 + np.exp(-log_odds))


@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_is_too_sure_of_itself_is_set_right(method: Literal["platt", "beta"]) -> None:
    log_odds, churned = _truth(40_000, seed=1)
    too_sure = 2 * log_odds + 1
    calibration = fit_calibration(too_sure[:20_000], churned[:20_000], method=method, ridge=1.0)
    said = calibration.calibrate(too_sure[20_000:])
    assert calibration_error(churned[20_000:], 1 / (1 + np.exp(-too_sure[20_000:]))) > 0.05
    assert calibration_error(churned[20_000:], said) < 0.02
    # logit q = z / 2 - 1 / 2, since z = 2 logit p + 1.
    assert calibration.calibrate([1.0])[0] == pytest.approx(0.5, abs=0.02)


def test_beta_mends_a_bend_that_platt_cannot() -> None:
    log_odds, churned = _truth(40_000, seed=2)
    bent = np.where(log_odds > -1, 2 * log_odds, log_odds)
    errors = {}
    for method in METHODS:
        calibration = fit_calibration(bent[:20_000], churned[:20_000], method=method, ridge=1.0)
        said = calibration.calibrate(bent[20_000:])
        errors[method] = calibration_error(churned[20_000:], said)
    assert errors["beta"] < 0.02 < errors["platt"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sign", [1, -1])
def test_no_two_ranks_fall_together_or_change_places(
    method: Literal["platt", "beta"], sign: int
) -> None:
    log_odds, churned = _truth(2_000, seed=3)
    # With sign -1 the model is worse than useless, and the best map would fall.
    calibration = fit_calibration(sign * log_odds, churned, method=method, ridge=1.0)
    said = calibration.calibrate(np.linspace(-8, 8, 1_001))
    assert (np.diff(said) > 0).all()


def test_a_handful_of_rows_moves_the_model_only_a_little() -> None:
    calibration = fit_calibration([-1.0, 0.0, 1.0], [False, True, True], method="beta", ridge=1.0)
    said = calibration.calibrate([-1.0, 0.0, 1.0])
    assert said == pytest.approx([0.269, 0.5, 0.731], abs=0.2)


def test_nothing_is_ever_certain() -> None:
    separable = np.linspace(-30, 30, 200)
    calibration = fit_calibration(separable, separable > 0, method="beta", ridge=0.0)
    said = calibration.calibrate([-1e6, 1e6])
    assert 0 < said[0] < said[1] < 1


def test_log_odds_that_are_all_the_same_become_the_base_rate() -> None:
    churned = np.arange(1_000) < 300
    calibration = fit_calibration(np.zeros(1_000), churned, method="beta", ridge=1.0)
    assert calibration.calibrate([0.0])[0] == pytest.approx(0.3, abs=0.005)


@pytest.mark.parametrize("method", METHODS)
def test_a_shift_in_level_is_believed_only_in_part_and_the_shape_in_full(
    method: Literal["platt", "beta"],
) -> None:
    # The month's outcomes are those of log-odds 0.8 higher than the model's, which is too sure of
    # itself by twice: 2 (z - 0.8) for a true z. A shift of s fits best where sums are the same.
    log_odds, churned = _truth(40_000, seed=4)
    said = 2 * (log_odds - 0.8)
    free, shrunk, taken_back = (
        fit_calibration(said, churned, method=method, ridge=1.0, intercept_shrinkage=share)
        for share in (0.0, 0.75, 1.0)
    )
    assert free.calibrate([0.0])[0] == pytest.approx(1 / (1 + np.exp(-0.8)), abs=0.02)
    assert shrunk.weight_log_p == free.weight_log_p == taken_back.weight_log_p
    shifts = [free.intercept - each.intercept for each in (shrunk, taken_back)]
    assert shifts[0] == pytest.approx(0.75 * shifts[1])
    # With the best constant added, the mean of the uncalibrated model is that of the outcomes.
    assert (1 / (1 + np.exp(-(said + shifts[1])))).mean() == pytest.approx(churned.mean(), abs=1e-4)


def test_a_good_model_in_an_unusual_month_stays_what_it_was() -> None:
    log_odds, _ = _truth(40_000, seed=5)
    unusual = np.random.default_rng(6).random(40_000) < 1 / (1 + np.exp(-(log_odds + 0.5)))
    calibration = fit_calibration(
        log_odds, unusual, method="platt", ridge=1.0, intercept_shrinkage=1.0
    )
    assert calibration.calibrate([-1.5])[0] == pytest.approx(1 / (1 + np.exp(1.5)), abs=0.01)
