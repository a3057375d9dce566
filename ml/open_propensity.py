"""Open propensity: would a profile open a mail sent to it now?

One example per message sent; *opened* is a human open of that message within 72 h. Trained on
`marts.ftr_open_propensity`, whose features are what had happened strictly before the send. Scored
on `marts.ftr_open_propensity_now`: a message that does not exist yet, so that what is known of a
campaign (`leave_out` in params.yaml) has no part in the model.
"""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from ml import fitting, scores
from ml.examples import FeatureRows
from ml.model import NotEnoughData, TrainedModel
from ml.params import TargetParams

TARGET = "open"
MEANING = "a person opens a message within 72 hours of its send"


def train(
    features: FeatureRows,
    params: TargetParams,
    *,
    as_of: datetime,
    trained_at: datetime,
    champion: TrainedModel | None = None,
    report_progress: fitting.ReportProgress | None = None,
) -> TrainedModel | NotEnoughData:
    """Train a model on rows of `marts.ftr_open_propensity`; see `fitting.train`.

    Hand in a `RecordBatchReader` where there are tens of millions: only the sample is held.
    """
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
    """Score the rows of `marts.ftr_open_propensity_now`, reasons null; see `scores.score`."""
    return scores.score(model, rows)
