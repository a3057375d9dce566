"""A trained model: trees, the calibration that makes their word a probability, and a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ml.calibration import Calibration
from ml.examples import Matrix
from ml.params import ColumnParams, ReasonParams

if TYPE_CHECKING:
    import xgboost as xgb


@dataclass(frozen=True)
class TrainedModel:
    """A model that can score.

    `calibration` is fitted on all rows that training did not see. `tested_calibration` is the
    one the card's metrics speak of: it has not seen the test rows, on which they were taken.
    `tested_until` is the time of the newest of these. `columns` and `reasons` are what was set
    when it was trained, so that scores are a function of the rows and the version. `card` is
    plain JSON values, written to be read by people.
    """

    target: str
    version: str
    feature_names: tuple[str, ...]
    booster: xgb.Booster
    calibration: Calibration
    tested_calibration: Calibration
    tested_until: datetime
    columns: ColumnParams
    reasons: ReasonParams
    card: Mapping[str, Any]

    def predict_log_odds(self, features: Matrix) -> npt.NDArray[np.float64]:
        """Return uncalibrated log-odds of rows × `feature_names`."""
        from ml import boosting

        return boosting.predict_log_odds(self.booster, features)

    def predict_probabilities(self, features: Matrix) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities of rows × `feature_names`, strictly between 0 and 1."""
        return self.calibration.calibrate(self.predict_log_odds(features))

    def predict_contributions(self, features: Matrix) -> npt.NDArray[np.float64]:
        """Return what each feature adds to the log-odds of each row."""
        from ml import boosting

        return boosting.predict_contributions(self.booster, self.feature_names, features)


@dataclass(frozen=True)
class NotEnoughData:
    """Why no model was trained: what is there and what is needed, in one sentence."""

    target: str
    sentence: str
    rows: int
    positives: int
