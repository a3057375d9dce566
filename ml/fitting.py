"""Training, the same for every target: divide by time, boost, calibrate, judge, describe."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from ml.calibration import Calibration, fit_calibration
from ml.evaluation import evaluate, log_loss
from ml.examples import Examples, FeatureRows, microseconds, moment, read_examples
from ml.model import NotEnoughData, TrainedModel
from ml.params import TargetParams
from ml.windows import Indices, Windows, divide

# Called after every boosting round with the rounds done and the most there can be.
ReportProgress = Callable[[int, int], None]

# Enough to tell learning curves apart, few enough for a card that people read.
CURVE_DIGITS = 6


def train(
    target: str,
    meaning: str,
    features: FeatureRows,
    params: TargetParams,
    *,
    as_of: datetime,
    trained_at: datetime,
    champion: TrainedModel | None = None,
    report_progress: ReportProgress | None = None,
) -> TrainedModel | NotEnoughData:
    """Train one model on the rows whose label is known at `as_of`.

    `meaning` says in words what the probability is of. `trained_at` goes into the card and nothing
    else. The model in office, `champion`, is judged on the same newest rows, for the promotion.
    The same rows and params give the same model and version, byte for byte. Raises
    `FeaturesError` for rows that cannot be used.
    """
    from ml import boosting

    examples = read_examples(features, params, as_of=as_of)
    windows = _windows_or_reason(target, examples, params)
    if isinstance(windows, NotEnoughData):
        return windows

    directions = boosting.directions_of(examples.feature_names, params.monotone)
    trees = boosting.boost(
        examples.feature_names,
        (examples.features[windows.training], examples.labels[windows.training]),
        (examples.features[windows.stopping], examples.labels[windows.stopping]),
        params.boosting,
        directions,
        report_progress,
    )
    unseen = np.concatenate([windows.calibration, windows.newest])
    margins = boosting.margins(trees.booster, examples.features[unseen])
    labels = examples.labels[unseen]
    tuned, newest = slice(len(windows.calibration)), slice(len(windows.calibration), None)
    # Judged with a calibration that knows nothing of the newest window; scored with one that
    # knows it too, because the newest base rate is the best guess for tomorrow's.
    tested_calibration = _calibrate(margins[tuned], labels[tuned], params)
    calibration = _calibrate(margins, labels, params)
    probabilities = tested_calibration.probabilities(margins[newest])
    evaluation = evaluate(labels[newest], probabilities)
    base_rate = float(labels[tuned].mean())

    fingerprint = examples.fingerprint()
    booster_bytes = boosting.to_bytes(trees.booster)
    version = _version(as_of, booster_bytes, fingerprint, params, (calibration, tested_calibration))
    card = {
        "target": target,
        "version": version,
        "predicts": meaning,
        "as_of": _iso(as_of),
        "trained_at": _iso(trained_at),
        "rows": {
            "with_a_known_label": examples.rows_known,
            "used": len(examples.labels),
            "positives": int(examples.labels.sum()),
        },
        "windows": _described(windows, examples),
        "measures_on_the_newest_window": evaluation.to_dict(),
        "base_rate": {
            "probability": base_rate,
            "log_loss": log_loss(labels[newest], np.full(len(labels[newest]), base_rate)),
            "meaning": "everybody gets the share of positives in the calibration part",
        },
        "champion": _judged(champion, examples, windows.newest),
        "rounds": trees.rounds,
        "learning_curve": {
            "training": [round(loss, CURVE_DIGITS) for loss in trees.training_log_loss],
            "stopping": [round(loss, CURVE_DIGITS) for loss in trees.stopping_log_loss],
        },
        "importance": boosting.importance(trees.booster),
        "directions": directions,
        "patterns_without_a_feature": sorted(
            pattern
            for pattern in params.monotone
            if not boosting.directions_of(examples.feature_names, {pattern: 1})
        ),
        "features": list(examples.feature_names),
        "params": params.model_dump(mode="json"),
        "data_fingerprint": fingerprint,
        "libraries": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "pyarrow": pa.__version__,
            "xgboost": boosting.version(),
        },
    }
    return TrainedModel(
        target=target,
        version=version,
        feature_names=examples.feature_names,
        booster=trees.booster,
        calibration=calibration,
        tested_calibration=tested_calibration,
        columns=params.columns,
        reasons=params.reasons,
        card=card,
    )


def _windows_or_reason(
    target: str, examples: Examples, params: TargetParams
) -> Windows | NotEnoughData:
    rows, positives = len(examples.labels), int(examples.labels.sum())
    negatives, minimum = rows - positives, params.minimum
    windows = None
    if rows >= minimum.rows and min(positives, negatives) >= minimum.each_class:
        windows = divide(examples, params)
        if windows is not None:
            return windows
        needed = (
            f"at least {minimum.held_out_rows} rows with {minimum.held_out_each_class} of each "
            "outcome in every part that checks the model"
        )
    else:
        needed = f"at least {minimum.rows} rows with {minimum.each_class} of each outcome"
    return NotEnoughData(
        target=target,
        sentence=(
            f"Too little data to train the {target} model: {rows:,} rows with a known "
            f"{params.columns.label}, {positives:,} of them true, are there; needed are {needed}."
        ),
        rows=rows,
        positives=positives,
    )


def _calibrate(
    margins: np.ndarray[Any, np.dtype[np.float64]],
    labels: np.ndarray[Any, np.dtype[np.bool_]],
    params: TargetParams,
) -> Calibration:
    return fit_calibration(
        margins, labels, method=params.calibration.method, ridge=params.calibration.ridge
    )


def _judged(
    champion: TrainedModel | None, examples: Examples, newest: Indices
) -> dict[str, Any] | None:
    """Measure the champion on the newest rows, with a calibration that has not seen them."""
    if champion is None:
        return None
    judged: dict[str, Any] = {"version": champion.version, "as_of": champion.card["as_of"]}
    features = examples.column_subset(champion.feature_names, newest)
    if features is None:
        absent = sorted(set(champion.feature_names) - set(examples.feature_names))
        return judged | {"cannot_be_judged": f"it needs {', '.join(absent)}, which is gone"}
    its_newest = datetime.fromisoformat(champion.card["windows"]["parts"]["newest"]["to"])
    has_seen = microseconds(its_newest) >= examples.times[newest[0]]
    calibration = champion.tested_calibration if has_seen else champion.calibration
    probabilities = calibration.probabilities(champion.margins(features))
    evaluation = evaluate(examples.labels[newest], probabilities)
    return judged | {
        "log_loss": evaluation.log_loss,
        "roc_auc": evaluation.roc_auc,
        "calibration_error": evaluation.calibration_error,
    }


def _described(windows: Windows, examples: Examples) -> dict[str, Any]:
    return {
        "scheme": windows.scheme,
        "in_words": windows.in_words,
        "parts": {
            name: {
                "from": moment(int(examples.times[part].min())).isoformat(),
                "to": moment(int(examples.times[part].max())).isoformat(),
                "rows": len(part),
                "positives": int(examples.labels[part].sum()),
            }
            for name, part in windows.parts().items()
        },
    }


def _version(
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
    day = moment(microseconds(as_of)).strftime("%Y%m%d")
    return f"{day}-{digest.hexdigest()[:12]}"


def _iso(instant: datetime) -> str:
    return moment(microseconds(instant)).isoformat()
