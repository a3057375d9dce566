"""How good probabilities are: in rank, in size, and in what acting on them would catch.

Rows with the same probability have no order among themselves. Where a measure cuts the ranking
into parts, such rows share their mean outcome, so that the order of the rows never counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BINS = 10


@dataclass(frozen=True)
class CalibrationBin:
    """One of ten equal-count bins by probability, lowest first."""

    rows: int
    mean_probability: float
    observed_share: float


@dataclass(frozen=True)
class Decile:
    """What acting on the `top_share` with the highest probabilities would catch."""

    top_share: float
    rows: int
    precision: float
    recall: float
    lift: float


@dataclass(frozen=True)
class Evaluation:
    """All measures of one model on one set of rows."""

    rows: int
    positives: int
    roc_auc: float
    pr_auc: float
    log_loss: float
    brier: float
    calibration_error: float
    calibration_bins: tuple[CalibrationBin, ...]
    deciles: tuple[Decile, ...]


def evaluate(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Evaluation:
    """Return every measure of `probabilities` against `labels`.

    `labels` are booleans with both outcomes among them, `probabilities` of the same length,
    strictly between 0 and 1. Raises `ValueError` otherwise.
    """
    outcomes, predicted = _checked(labels, probabilities)
    return Evaluation(
        rows=len(outcomes),
        positives=int(outcomes.sum()),
        roc_auc=roc_auc(outcomes, predicted),
        pr_auc=pr_auc(outcomes, predicted),
        log_loss=log_loss(outcomes, predicted),
        brier=brier(outcomes, predicted),
        calibration_error=calibration_error(outcomes, predicted),
        calibration_bins=calibration_bins(outcomes, predicted),
        deciles=deciles(outcomes, predicted),
    )


def roc_auc(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Return the chance that a positive ranks above a negative; a tie counts half.

    The Mann-Whitney statistic over the number of pairs (Hanley and McNeil 1982).
    """
    outcomes, predicted = _checked(labels, probabilities)
    positives, rows = _by_distinct_probability(outcomes, predicted)
    negatives = rows - positives
    negatives_below = np.cumsum(negatives) - negatives
    wins = (positives * (negatives_below + negatives / 2)).sum()
    return float(wins / (positives.sum() * negatives.sum()))


def pr_auc(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Return average precision: precision at each probability, weighted by the recall gained."""
    outcomes, predicted = _checked(labels, probabilities)
    positives, rows = (counts[::-1] for counts in _by_distinct_probability(outcomes, predicted))
    precision = np.cumsum(positives) / np.cumsum(rows)
    return float((precision * positives).sum() / positives.sum())


def log_loss(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Return the mean negative log-likelihood in nats."""
    outcomes, predicted = _checked(labels, probabilities)
    return float(-np.where(outcomes == 1, np.log(predicted), np.log1p(-predicted)).mean())


def brier(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Return the mean squared distance of probability and outcome (Brier 1950)."""
    outcomes, predicted = _checked(labels, probabilities)
    return float(np.square(predicted - outcomes).mean())


def calibration_error(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Return the mean gap of probability and observed share over ten equal-count bins."""
    bins = calibration_bins(labels, probabilities)
    gaps = [each.rows * abs(each.mean_probability - each.observed_share) for each in bins]
    return sum(gaps) / sum(each.rows for each in bins)


def calibration_bins(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[CalibrationBin, ...]:
    """Return ten bins of as equal a count as the rows allow, lowest probability first."""
    outcomes, predicted = _ranked(*_checked(labels, probabilities))
    parts = zip(np.array_split(outcomes, BINS), np.array_split(predicted, BINS), strict=True)
    return tuple(
        CalibrationBin(len(outcome), float(probability.mean()), float(outcome.mean()))
        for outcome, probability in parts
        if len(outcome)
    )


def deciles(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[Decile, ...]:
    """Return precision, recall and lift of the top 10 %, 20 %, … 100 % by probability."""
    outcomes, _ = _ranked(*_checked(labels, probabilities))
    caught = np.cumsum(outcomes[::-1])
    base_rate = caught[-1] / len(caught)
    found = []
    for tenth in range(1, BINS + 1):
        rows = max(1, round(len(caught) * tenth / BINS))
        precision = float(caught[rows - 1] / rows)
        recall = float(caught[rows - 1] / caught[-1])
        lift = float(precision / base_rate)
        found.append(Decile(tenth / BINS, rows, precision, recall, lift))
    return tuple(found)


def _checked(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[Floats, Floats]:
    outcomes = np.asarray(labels, dtype=np.float64)
    predicted = np.asarray(probabilities, dtype=np.float64)
    if outcomes.shape != predicted.shape or outcomes.ndim != 1:
        raise ValueError(f"{outcomes.shape} labels do not fit {predicted.shape} probabilities")
    if not 0 < outcomes.sum() < len(outcomes):
        raise ValueError(
            f"{len(outcomes)} rows with {int(outcomes.sum())} positives cannot be judged: "
            "both outcomes are needed"
        )
    if not ((predicted > 0) & (predicted < 1)).all():
        raise ValueError("probabilities must lie strictly between 0 and 1")
    return outcomes, predicted


def _by_distinct_probability(outcomes: Floats, predicted: Floats) -> tuple[Floats, Floats]:
    """Return positives and rows per distinct probability, lowest first."""
    order = np.argsort(predicted, kind="stable")
    starts = _group_starts(predicted[order])
    positives = np.add.reduceat(outcomes[order], starts)
    rows = np.diff(np.append(starts, len(order))).astype(np.float64)
    return positives, rows


def _ranked(outcomes: Floats, predicted: Floats) -> tuple[Floats, Floats]:
    """Return both by rising probability, outcomes of tied rows replaced by their mean."""
    positives, rows = _by_distinct_probability(outcomes, predicted)
    return np.repeat(positives / rows, rows.astype(np.int64)), np.sort(predicted)


def _group_starts(ordered: Floats) -> npt.NDArray[np.int64]:
    return np.flatnonzero(np.append(True, np.diff(ordered) != 0)).astype(np.int64)
