"""How good the models are, by their cards and the decisions on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from reports import relations

LAST_DECISIONS = 5


@dataclass(frozen=True)
class Model:
    """A target, its champion's card and every decision on it, oldest first, as ml keeps them."""

    target: str
    card: Mapping[str, Any] | None
    decisions: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Bin:
    """Rows of about the same predicted probability, and what became of them."""

    rows: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class Decile:
    """What acting on the top share by probability would have caught."""

    top_share: float
    rows: int
    precision: float
    recall: float
    lift: float


@dataclass(frozen=True)
class Champion:
    """The model that scores, measured on rows that it has not seen."""

    version: str
    predicts: str
    as_of: datetime
    rows: int
    positives: int
    roc_auc: float
    pr_auc: float
    log_loss: float
    base_rate_log_loss: float
    calibration_error: float
    bins: list[Bin]
    deciles: list[Decile]
    training_curve: list[float]
    validation_curve: list[float]


@dataclass(frozen=True)
class Decision:
    """Whether a model took over, and why, in a sentence that has both figures."""

    decided_at: datetime
    is_promoted: bool
    sentence: str


@dataclass(frozen=True)
class Health:
    """A target's champion if there is one, the last decisions, newest first, and its scores."""

    target: str
    champion: Champion | None
    decisions: list[Decision]
    scored: int
    mean_probability: float | None


def read(connection: duckdb.DuckDBPyConnection, models: Sequence[Model]) -> list[Health]:
    """Return each model's health.

    Raises `ValueError` naming the model whose card or decisions have not what is read of them.
    """
    return [_examine(connection, model) for model in models]


def _examine(connection: duckdb.DuckDBPyConnection, model: Model) -> Health:
    scored, mean = 0, None
    column = f"{model.target}_probability"
    if relations.are_there(connection, "marts.profile_scores"):
        # Which target has a column there is the mart's to know.
        ((scored, mean),) = relations.ask(
            connection,
            f"""select count("{column}"), avg("{column}") from marts.profile_scores""",
        )
    try:
        champion = _read_card(model.card) if model.card is not None else None
        decisions = [
            Decision(
                datetime.fromisoformat(each["decided_at"]), each["is_promoted"], each["sentence"]
            )
            for each in reversed(model.decisions[-LAST_DECISIONS:])
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"the card or a decision of the {model.target} model is not one that the report "
            f"understands ({error!r}); train anew: mailmart train"
        ) from error
    return Health(model.target, champion, decisions, scored, mean)


def _read_card(card: Mapping[str, Any]) -> Champion:
    metrics, curve = card["test_metrics"], card["learning_curve"]
    return Champion(
        version=card["version"],
        predicts=card["predicts"],
        as_of=datetime.fromisoformat(card["as_of"]),
        rows=metrics["rows"],
        positives=metrics["positives"],
        roc_auc=metrics["roc_auc"],
        pr_auc=metrics["pr_auc"],
        log_loss=metrics["log_loss"],
        base_rate_log_loss=card["base_rate"]["log_loss"],
        calibration_error=metrics["calibration_error"],
        bins=[
            Bin(each["rows"], each["mean_probability"], each["observed_share"])
            for each in metrics["calibration_bins"]
        ],
        deciles=[
            Decile(each["top_share"], each["rows"], each["precision"], each["recall"], each["lift"])
            for each in metrics["deciles"]
        ],
        training_curve=list(curve["training"]),
        validation_curve=list(curve["validation"]),
    )
