"""Models that several tests read; training them once is enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ml.churn import CHURN
from ml.fitting import train
from ml.model import TrainedModel
from ml.params import Params, TargetParams, read_params
from tests.ml.worlds import AS_OF, TRAINED_AT, churn_world


@pytest.fixture(scope="session")
def params() -> Params:
    """The settings as they ship."""
    return read_params()


@pytest.fixture(scope="session")
def small_model(params: Params) -> TrainedModel:
    """A churn model of 600 people over eleven months."""
    model = train(
        CHURN, churn_world(600, seed=1).table, params.churn, as_of=AS_OF, trained_at=TRAINED_AT
    )
    assert isinstance(model, TrainedModel)
    return model


@pytest.fixture(scope="session")
def altered() -> Callable[..., TargetParams]:
    """Return params with one section changed, for settings that a test changes."""

    def alter(params: TargetParams, section: str, **values: Any) -> TargetParams:
        changed = getattr(params, section).model_copy(update=values)
        return params.model_copy(update={section: changed})

    return alter
