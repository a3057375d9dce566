"""The settings of both models, read from the commented `params.yaml` and checked."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

DEFAULT_PARAMS = Path(__file__).with_name("params.yaml")


class ParamsError(ValueError):
    """A params file that cannot be used; the message names the file and the setting."""


class _Section(BaseModel):
    # A misspelt setting that is silently ignored is worse than an error.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ColumnParams(_Section):
    """Which columns are not features."""

    profile: str
    key: tuple[str, ...] = Field(min_length=1)
    time: str
    label: str
    scored_at: str


class SampleParams(_Section):
    """How many rows to train on at most."""

    rows: int = Field(gt=0)


class MinimumParams(_Section):
    """What must be there before a model is trained."""

    rows: int = Field(gt=0)
    each_class: int = Field(gt=0)
    held_out_rows: int = Field(gt=0)
    held_out_each_class: int = Field(gt=0)


class SplitParams(_Section):
    """Shares of the labelled rows, from the newest to older ones."""

    test: float = Field(gt=0, lt=0.5)
    tuning: float = Field(gt=0, lt=0.5)
    training_at_least: float = Field(gt=0, lt=1)


class BoostingParams(_Section):
    """XGBoost's hyperparameters."""

    rounds: int = Field(gt=0)
    early_stopping_rounds: int = Field(gt=0)
    max_depth: int = Field(gt=0, le=16)
    learning_rate: float = Field(gt=0, le=1)
    min_child_weight: float = Field(ge=0)
    subsample: float = Field(gt=0, le=1)
    colsample_bytree: float = Field(gt=0, le=1)
    l2: float = Field(ge=0)
    max_bin: int = Field(ge=2)
    seed: int = Field(ge=0)
    threads: int = Field(ge=0)


class CalibrationParams(_Section):
    """How probabilities are set right on rows that training did not see."""

    method: Literal["platt", "beta"]
    ridge: float = Field(ge=0)
    intercept_shrinkage: float = Field(ge=0, le=1)


class ReasonParams(_Section):
    """Who gets reasons, and how many."""

    share: float = Field(ge=0, le=1)
    features: int = Field(gt=0)


class PromotionParams(_Section):
    """When a new model follows the champion."""

    tolerance: float = Field(ge=0)


class TargetParams(_Section):
    """All settings of one model."""

    columns: ColumnParams
    horizon_hours: int = Field(gt=0)
    leave_out: tuple[str, ...]
    sample: SampleParams
    minimum: MinimumParams
    split: SplitParams
    boosting: BoostingParams
    monotone_constraints: dict[str, Literal[-1, 1]]
    calibration: CalibrationParams
    reasons: ReasonParams
    promotion: PromotionParams


class Params(_Section):
    """The settings of both models."""

    churn: TargetParams
    open_propensity: TargetParams


def read_params(path: Path = DEFAULT_PARAMS) -> Params:
    """Read and check the params file.

    Raises `ParamsError` naming the file and each setting that is missing, unknown, out of range
    or given twice.
    """
    try:
        # A safe loader: it makes nothing but plain values.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParamsError(f"{path} cannot be read as YAML: {error}") from error
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        settings = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'the file'}: {problem['msg']} "
            f"(got {str(problem['input'])[:60]!r})"
            for problem in error.errors()
        )
        raise ParamsError(f"{path}: {settings}. See ml/params.yaml for what is known.") from error


class _UniqueKeys(yaml.SafeLoader):
    """Refuse a repeated key, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} is given twice", key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep)
