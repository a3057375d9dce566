"""The parts of a model's card: plain JSON values, for people and for the pages about models."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml.examples import Examples
from ml.instants import from_microseconds
from ml.params import TargetParams
from ml.split import Split

if TYPE_CHECKING:
    from ml.boosting import BoostedTrees

# Enough to tell learning curves apart, few enough for a card that people read.
CURVE_DIGITS = 6


def describe_data(examples: Examples, split: Split) -> dict[str, Any]:
    """Say how many rows there were, and which stretch of time each set is."""
    return {
        "rows": {
            "with_a_known_label": examples.rows_known,
            "used": len(examples.labels),
            "positives": int(examples.labels.sum()),
        },
        "split": {
            "scheme": split.scheme,
            "in_words": split.in_words,
            "parts": {
                name: {
                    "from": from_microseconds(int(examples.times[part].min())).isoformat(),
                    "to": from_microseconds(int(examples.times[part].max())).isoformat(),
                    "rows": len(part),
                    "positives": int(examples.labels[part].sum()),
                }
                for name, part in split.parts().items()
            },
        },
        "features": list(examples.feature_names),
        "data_fingerprint": examples.fingerprint(),
    }


def describe_trees(trees: BoostedTrees, examples: Examples, params: TargetParams) -> dict[str, Any]:
    """Say what the trees look at, and the log loss per row after each round of boosting.

    The curves go on past the best round, to where the training stopped.
    """
    from ml import boosting

    names, patterns = examples.feature_names, params.monotone_constraints
    return {
        "rounds": trees.rounds,
        "learning_curve": {
            "training": [round(loss, CURVE_DIGITS) for loss in trees.training_log_loss],
            "validation": [round(loss, CURVE_DIGITS) for loss in trees.validation_log_loss],
        },
        "importance": boosting.measure_importance(trees.booster),
        "monotone_constraints": boosting.match_constraints(names, patterns),
        "patterns_without_a_feature": sorted(
            pattern
            for pattern in patterns
            if not boosting.match_constraints(names, {pattern: patterns[pattern]})
        ),
    }


def describe_libraries() -> dict[str, str]:
    """Return the versions of what makes a model."""
    from ml import boosting

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
        "xgboost": boosting.version(),
    }
