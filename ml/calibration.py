"""What a model says, made to mean what it says: 0.3 is three in ten.

Beta calibration (Kull, Silva Filho, Flach 2017): logit q = a ln p - b ln(1 - p) + c. Platt scaling
is its special case a = b. Both are strictly increasing, so ranks survive; isotonic regression, the
usual alternative, maps whole stretches of ranks to one probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Keeps the map strictly increasing where the rows would rather have it flat or falling.
SMALLEST_WEIGHT = 1e-3
# Largest calibrated log-odds: float64 tells 1 / (1 + exp(-25)) from 1, so nothing is ever certain.
LARGEST_LOGIT = 25.0


@dataclass(frozen=True)
class Calibration:
    """A strictly increasing map from a model's log-odds to probabilities, as three numbers."""

    weight_log_p: float
    weight_log_not_p: float
    intercept: float

    def calibrate(self, log_odds: npt.ArrayLike) -> Floats:
        """Return calibrated probabilities, float64, strictly between 0 and 1.

        `log_odds` are the model's raw log-odds, any length.
        """
        log_p, minus_log_not_p = _log_terms(np.asarray(log_odds, dtype=np.float64))
        logits = (
            self.weight_log_p * log_p + self.weight_log_not_p * minus_log_not_p + self.intercept
        )
        return _sigmoid(np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT))


def fit_calibration(
    log_odds: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    method: Literal["platt", "beta"],
    ridge: float,
    intercept_shrinkage: float = 0.0,
) -> Calibration:
    """Fit a calibration by penalised maximum likelihood.

    `log_odds` are log-odds of a model that never saw these rows, `labels` booleans. `ridge` weighs
    the squared distance to the map that changes nothing; it keeps a handful of rows from tearing
    the map, and vanishes beside thousands. `intercept_shrinkage` is the share, 0 to 1, of these
    rows' shift in level that is taken back, the shift being the one constant that fits best when
    added to all log-odds: rows of one month share what that month was like, so that thousands of
    them say little about the level of the next, however well they show the shape. A weight that
    would come out negative is held at `SMALLEST_WEIGHT` and the rest fitted anew, as the paper
    proposes.
    """
    outcomes = np.asarray(labels, dtype=np.float64)
    scores = np.asarray(log_odds, dtype=np.float64)
    log_p, minus_log_not_p = _log_terms(scores)
    ones = np.ones_like(outcomes)
    if method == "platt":
        design = np.column_stack([log_p + minus_log_not_p, ones])
    else:
        design = np.column_stack([log_p, minus_log_not_p, ones])
    neutral = np.append(np.ones(design.shape[1] - 1), 0.0)

    held = np.zeros(len(neutral), dtype=bool)
    start = neutral
    while True:
        weights = _logistic_regression(design, outcomes, neutral, start, held, ridge)
        falling = ~held & (weights < SMALLEST_WEIGHT)
        falling[-1] = False  # the intercept may be anything
        if not falling.any():
            break
        held |= falling
        start = np.where(held, SMALLEST_WEIGHT, neutral)
    intercept = float(weights[-1])
    if intercept_shrinkage:
        shift = _logistic_regression(
            np.column_stack([scores, ones]),
            outcomes,
            neutral=np.array([1.0, 0.0]),
            start=np.array([1.0, 0.0]),
            held=np.array([True, False]),
            ridge=ridge,
        )[-1]
        intercept -= intercept_shrinkage * float(shift)
    return Calibration(float(weights[0]), float(weights[-2]), intercept)


def _logistic_regression(
    design: Floats,
    outcomes: Floats,
    neutral: Floats,
    start: Floats,
    held: npt.NDArray[np.bool_],
    ridge: float,
) -> Floats:
    """Minimise log loss plus ridge by Newton's method over the weights that are not held."""
    weights = start.copy()
    loss = _penalised_loss(design, outcomes, neutral, weights, ridge)
    free = ~held
    for _ in range(100):
        fitted = _sigmoid(design @ weights)
        gradient = design.T @ (fitted - outcomes) + ridge * (weights - neutral)
        curvature = (design * (fitted * (1 - fitted))[:, None]).T @ design
        # Invertible even when all log_odds are the same and ridge is 0.
        curvature += (ridge + 1e-9) * np.eye(len(weights))
        step = np.zeros_like(weights)
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        scale = 1.0
        while scale > 1e-6:
            moved = weights - scale * step
            moved_loss = _penalised_loss(design, outcomes, neutral, moved, ridge)
            if moved_loss <= loss:
                break
            scale /= 2
        else:
            return weights
        converged = loss - moved_loss <= 1e-12 * max(1.0, abs(loss))
        weights, loss = moved, moved_loss
        if converged:
            return weights
    return weights


def _penalised_loss(
    design: Floats, outcomes: Floats, neutral: Floats, weights: Floats, ridge: float
) -> float:
    logits = design @ weights
    misfit = np.logaddexp(0.0, logits) - outcomes * logits
    return float(misfit.sum() + 0.5 * ridge * np.square(weights - neutral).sum())


def _log_terms(log_odds: Floats) -> tuple[Floats, Floats]:
    """Return ln p and -ln(1 - p) of log-odds, without the loss of 1 - p near 1."""
    return -np.logaddexp(0.0, -log_odds), np.logaddexp(0.0, log_odds)


def _sigmoid(logits: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -logits))
