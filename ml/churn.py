"""Churn: will a profile that is active go quiet?

At a cutoff c a profile with a human open, click or order in the 60 days before is active. It has
churned if it has none of these in the 30 days after. Only active profiles are in
`marts.ftr_churn`; `probability` is that of having churned.
"""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from ml import fitting, scores
from ml.examples import FeatureRows
from ml.model import NotEnoughData, TrainedModel
from ml.params import TargetParams

TARGET = "churn"
MEANING = "an active profile has no human open, click or order in the 30 days after the cutoff"


def train(
    features: FeatureRows,
    params: TargetParams,
    *,
    as_of: datetime,
    trained_at: datetime,
    champion: TrainedModel | None = None,
    report_progress: fitting.ReportProgress | None = None,
) -> TrainedModel | NotEnoughData:
    """Train a churn model on rows of `marts.ftr_churn`; see `fitting.train`."""
    return fitting.train(
        TARGET,
        MEANING,
        features,
        params,
        as_of=as_of,
        trained_at=trained_at,
        champion=champion,
        report_progress=report_progress,
    )


def score(model: TrainedModel, rows: FeatureRows) -> pa.Table:
    """Score the rows of `marts.ftr_churn` at one cutoff, reasons included; see `scores.score`."""
    return scores.score(model, rows)
