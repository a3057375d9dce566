"""What we ask of XGBoost, in one place.

Importing xgboost takes more than a second, so the other modules import this one where they need it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from ml.params import BoostingParams

Matrix = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# Called after every round with the rounds done and the most there can be.
ReportProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class BoostedTrees:
    """A fitted booster, cut to its best round, and how the loss fell on the way there."""

    booster: xgb.Booster
    rounds: int
    training_log_loss: tuple[float, ...]
    validation_log_loss: tuple[float, ...]


def boost(
    feature_names: Sequence[str],
    training: tuple[Matrix, Flags],
    validation: tuple[Matrix, Flags],
    params: BoostingParams,
    monotone_constraints: Mapping[str, int],
    report_progress: ReportProgress | None,
) -> BoostedTrees:
    """Fit trees on `training` until the log loss on `validation` no longer falls.

    Both are features (rows × `feature_names`, NaN for unknown) and labels. `monotone_constraints`
    names a feature and how the probability may move with it (1 rising, -1 falling). The same
    arguments give the same bytes.
    """
    train_matrix = xgb.QuantileDMatrix(
        training[0],
        training[1],
        feature_names=list(feature_names),
        max_bin=params.max_bin,
        nthread=_threads(params),
    )
    validation_matrix = xgb.QuantileDMatrix(
        validation[0],
        validation[1],
        feature_names=list(feature_names),
        ref=train_matrix,
        nthread=_threads(params),
    )
    curves: dict[str, dict[str, list[float]]] = {}
    callbacks: list[xgb.callback.TrainingCallback] = [
        xgb.callback.EarlyStopping(rounds=params.early_stopping_rounds, data_name="validation")
    ]
    if report_progress is not None:
        # First, because XGBoost asks no further once a callback has stopped the training.
        callbacks.insert(0, _Progress(params.rounds, report_progress))
    booster = xgb.train(
        {
            "objective": "binary:logistic",
            "eval_metric": "logloss",
            "tree_method": "hist",
            "max_depth": params.max_depth,
            "learning_rate": params.learning_rate,
            "min_child_weight": params.min_child_weight,
            "subsample": params.subsample,
            "colsample_bytree": params.colsample_bytree,
            "reg_lambda": params.l2,
            "max_bin": params.max_bin,
            "monotone_constraints": tuple(
                monotone_constraints.get(name, 0) for name in feature_names
            ),
            "seed": params.seed,
            "nthread": _threads(params),
            "verbosity": 0,
        },
        train_matrix,
        params.rounds,
        evals=[(train_matrix, "training"), (validation_matrix, "validation")],
        evals_result=curves,
        callbacks=callbacks,
        verbose_eval=False,
    )
    rounds = booster.best_iteration + 1
    return BoostedTrees(
        # predict() uses every tree it finds, so those after the best round must not be there.
        booster=booster[:rounds],
        rounds=rounds,
        training_log_loss=tuple(curves["training"]["logloss"]),
        validation_log_loss=tuple(curves["validation"]["logloss"]),
    )


def match_constraints(feature_names: Sequence[str], patterns: Mapping[str, int]) -> dict[str, int]:
    """Return the constraint of each feature that a pattern names; the first that fits counts."""
    found: dict[str, int] = {}
    for pattern, direction in patterns.items():
        for name in feature_names:
            if fnmatchcase(name, pattern):
                found.setdefault(name, direction)
    return found


def predict_log_odds(booster: xgb.Booster, features: Matrix) -> Floats:
    """Return the log-odds of each row, float64; no rows give no log-odds."""
    if not len(features):
        return np.empty(0, dtype=np.float64)
    predicted = booster.inplace_predict(features, predict_type="margin")
    return np.asarray(predicted, dtype=np.float64)


def predict_contributions(
    booster: xgb.Booster, feature_names: Sequence[str], features: Matrix
) -> Floats:
    """Return what each feature adds to a row's log-odds (exact Shapley values, Lundberg 2018)."""
    if not len(features):
        return np.empty((0, len(feature_names)), dtype=np.float64)
    matrix = xgb.DMatrix(features, feature_names=list(feature_names))
    with_bias = booster.predict(matrix, pred_contribs=True)
    return np.asarray(with_bias, dtype=np.float64)[:, :-1]


def measure_importance(booster: xgb.Booster) -> dict[str, float]:
    """Return each used feature's share of the total gain, largest first."""
    gains = {
        name: float(np.sum(gain))
        for name, gain in booster.get_score(importance_type="total_gain").items()
    }
    total = sum(gains.values())
    ordered = sorted(gains.items(), key=lambda item: (-item[1], item[0]))
    return {name: gain / total for name, gain in ordered} if total else {}


def to_bytes(booster: xgb.Booster) -> bytes:
    """Return the booster in XGBoost's binary JSON format."""
    return bytes(booster.save_raw(raw_format="ubj"))


def from_bytes(content: bytes) -> xgb.Booster:
    """Return the booster of `to_bytes`. Raises `xgboost.core.XGBoostError` on other bytes."""
    booster = xgb.Booster()
    booster.load_model(bytearray(content))
    return booster


def version() -> str:
    """Return the version of xgboost."""
    return str(xgb.__version__)


class _Progress(xgb.callback.TrainingCallback):
    def __init__(self, rounds: int, report_progress: ReportProgress) -> None:
        super().__init__()
        self._rounds = rounds
        self._report_progress = report_progress

    def after_iteration(
        self,
        model: xgb.Booster,
        epoch: int,
        evals_log: Mapping[str, Mapping[str, Literal[0] | object]],
    ) -> bool:
        """Report, and let the training go on."""
        self._report_progress(epoch + 1, self._rounds)
        return False


def _threads(params: BoostingParams) -> int | None:
    return params.threads or None
