"""Training, the same for every target: split by time, boost, calibrate, test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from ml import card
from ml.calibration import Calibration, fit_calibration
from ml.evaluation import evaluate, log_loss
from ml.examples import Examples, FeatureRows, read_examples
from ml.instants import from_microseconds, to_microseconds, to_utc
from ml.model import NotEnoughData, TrainedModel
from ml.params import TargetParams
from ml.split import Indices, Split, divide
from ml.target import Target

# Called after every boosting round with the rounds done and the most there can be.
ReportProgress = Callable[[int, int], None]


def train(
    target: Target,
    rows: FeatureRows,
    params: TargetParams,
    *,
    as_of: datetime,
    trained_at: datetime,
    champion: TrainedModel | None = None,
    report_progress: ReportProgress | None = None,
) -> TrainedModel | NotEnoughData:
    """Train a model on those `rows` of the target's examples whose label is known at `as_of`.

    Hand in a `RecordBatchReader` where there are tens of millions: only the sample is held.
    `trained_at` goes into the card and nothing else. The champion is tested on the same rows, for
    the promotion. The same rows and params give the same model and version, byte for byte. Raises
    `FeaturesError` for rows that cannot be used.
    """
    from ml import boosting

    examples = read_examples(rows, params, as_of=as_of)
    split = _split_or_refuse(target, examples, params)
    if isinstance(split, NotEnoughData):
        return split

    trees = boosting.boost(
        examples.feature_names,
        (examples.features[split.training], examples.labels[split.training]),
        (examples.features[split.validation], examples.labels[split.validation]),
        params.boosting,
        boosting.match_constraints(examples.feature_names, params.monotone_constraints),
        report_progress,
    )
    unseen = np.concatenate([split.calibration, split.test])
    log_odds = boosting.predict_log_odds(trees.booster, examples.features[unseen])
    labels = examples.labels[unseen]
    tuned, tested = slice(len(split.calibration)), slice(len(split.calibration), None)
    # Tested with a calibration that knows nothing of the test set; scored with one that knows it
    # too, because the newest base rate is the best guess for tomorrow's.
    tested_calibration = _calibrate(log_odds[tuned], labels[tuned], params)
    calibration = _calibrate(log_odds, labels, params)
    base_rate = float(labels[tuned].mean())

    data = card.describe_data(examples, split)
    version = _name_version(
        as_of,
        boosting.to_bytes(trees.booster),
        data["data_fingerprint"],
        params,
        (calibration, tested_calibration),
    )
    return TrainedModel(
        target=target.name,
        version=version,
        feature_names=examples.feature_names,
        booster=trees.booster,
        calibration=calibration,
        tested_calibration=tested_calibration,
        tested_until=from_microseconds(int(examples.times[split.test].max())),
        columns=params.columns,
        reasons=params.reasons,
        card={
            "target": target.name,
            "version": version,
            "predicts": target.meaning,
            "as_of": to_utc(as_of).isoformat(),
            "trained_at": to_utc(trained_at).isoformat(),
            **data,
            "test_metrics": asdict(
                evaluate(labels[tested], tested_calibration.calibrate(log_odds[tested]))
            ),
            "base_rate": {
                "probability": base_rate,
                "log_loss": log_loss(labels[tested], np.full(len(split.test), base_rate)),
                "meaning": "everybody gets the share of positives in the calibration set",
            },
            "champion": _test_champion(champion, examples, split.test),
            **card.describe_trees(trees, examples, params),
            "params": params.model_dump(mode="json"),
            "libraries": card.describe_libraries(),
        },
    )


def _split_or_refuse(
    target: Target, examples: Examples, params: TargetParams
) -> Split | NotEnoughData:
    rows, positives = len(examples.labels), int(examples.labels.sum())
    negatives, minimum = rows - positives, params.minimum
    if rows >= minimum.rows and min(positives, negatives) >= minimum.each_class:
        split = divide(examples, params)
        if split is not None:
            return split
        needed = (
            f"at least {minimum.held_out_rows} rows with {minimum.held_out_each_class} of each "
            "outcome in every set that checks the model"
        )
    else:
        needed = f"at least {minimum.rows} rows with {minimum.each_class} of each outcome"
    return NotEnoughData(
        target=target.name,
        sentence=(
            f"Too little data to train the {target.name} model: {rows:,} rows with a known "
            f"{params.columns.label}, {positives:,} of them true, are there; needed are {needed}."
        ),
        rows=rows,
        positives=positives,
    )


def _calibrate(
    log_odds: npt.NDArray[np.float64], labels: npt.NDArray[np.bool_], params: TargetParams
) -> Calibration:
    return fit_calibration(
        log_odds,
        labels,
        method=params.calibration.method,
        ridge=params.calibration.ridge,
        intercept_shrinkage=params.calibration.intercept_shrinkage,
    )


def _test_champion(
    champion: TrainedModel | None, examples: Examples, test: Indices
) -> dict[str, Any] | None:
    """Measure the champion on the test rows, with a calibration that has not seen them."""
    if champion is None:
        return None
    tested: dict[str, Any] = {"version": champion.version, "as_of": champion.card["as_of"]}
    features = examples.select_columns(champion.feature_names, test)
    if features is None:
        absent = sorted(set(champion.feature_names) - set(examples.feature_names))
        return tested | {"cannot_be_tested": f"it needs {', '.join(absent)}, which is gone"}
    has_seen_them = to_microseconds(champion.tested_until) >= examples.times[test[0]]
    calibration = champion.tested_calibration if has_seen_them else champion.calibration
    probabilities = calibration.calibrate(champion.predict_log_odds(features))
    metrics = evaluate(examples.labels[test], probabilities)
    return tested | {
        "rows": metrics.rows,
        "log_loss": metrics.log_loss,
        "roc_auc": metrics.roc_auc,
        "pr_auc": metrics.pr_auc,
        "calibration_error": metrics.calibration_error,
    }


def _name_version(
    as_of: datetime,
    booster_bytes: bytes,
    fingerprint: str,
    params: TargetParams,
    calibrations: tuple[Calibration, Calibration],
) -> str:
    """Name a model by its day and its content: a rerun that finds the same is the same version."""
    digest = hashlib.sha256(booster_bytes)
    described = [fingerprint, params.model_dump(mode="json"), *map(asdict, calibrations)]
    digest.update(json.dumps(described, sort_keys=True).encode())
    return f"{to_utc(as_of):%Y%m%d}-{digest.hexdigest()[:12]}"
