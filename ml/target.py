"""What a model predicts: whose rows it learns from, and whom it scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ml.params import Params, TargetParams


@dataclass(frozen=True)
class Target:
    """One thing to predict.

    `name` is the target in `ml.scores`, `meaning` says in words what the probability is of,
    `section` is the target's in params.yaml. `examples_query` returns the rows to learn from,
    `rows_query` those to score at `$as_of`, of people who may be profiled.
    """

    name: str
    meaning: str
    section: Literal["churn", "open_propensity"]
    examples_query: str
    rows_query: str

    def choose_params(self, params: Params) -> TargetParams:
        """Return the settings of this target."""
        return {"churn": params.churn, "open_propensity": params.open_propensity}[self.section]
