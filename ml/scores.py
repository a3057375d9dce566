"""Probabilities for the people of today, and the table where they are kept."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.examples import FeatureRows, Matrix, read_rows_to_score
from ml.model import TrainedModel
from ml.params import ReasonParams

SCHEMA = pa.schema(
    [
        ("profile_id", pa.string()),
        ("target", pa.string()),
        ("probability", pa.float64()),
        ("model_version", pa.string()),
        ("scored_at", pa.timestamp("us")),
        ("reasons", pa.string()),
    ]
)


def score(model: TrainedModel, rows: FeatureRows) -> pa.Table:
    """Return one score per row, in the order of `rows`, with the columns of `SCHEMA`.

    `probability` is calibrated, float64, strictly between 0 and 1. `scored_at` is the row's own
    time. `reasons` is a JSON list of sentences for the share of rows that `model.reasons` names,
    highest probability first, else null. Raises `FeaturesError` where a feature that the model
    was trained on is missing; further columns are ignored.
    """
    to_score = read_rows_to_score(rows, model.feature_names, model.columns)
    probabilities = model.probabilities(to_score.features)
    count = len(probabilities)
    explained = _most_probable(probabilities, to_score.profiles, model.reasons)
    reasons = np.full(count, None, dtype=object)
    reasons[explained] = _reasons(model, to_score.features[explained], model.reasons)
    return pa.table(
        [
            to_score.profiles,
            pa.repeat(pa.scalar(model.target), count),
            pa.array(probabilities),
            pa.repeat(pa.scalar(model.version), count),
            to_score.scored_at,
            pa.array(reasons, type=pa.string()),
        ],
        schema=SCHEMA,
    )


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Create `ml.scores` where it is not there yet; scores already kept stay."""
    connection.execute("create schema if not exists ml")
    connection.execute(
        """
        create table if not exists ml.scores (
            profile_id varchar not null,
            target varchar not null,
            probability double not null,
            model_version varchar not null,
            scored_at timestamp not null,
            reasons varchar
        )
        """
    )


def write(
    connection: duckdb.DuckDBPyConnection, scores: pa.Table, target: str, scored_at: datetime
) -> int:
    """Replace the scores of one target at one instant, keep all others; return the rows written.

    All or nothing: the old rows stay if the new ones cannot be written. `scored_at` is UTC, with
    or without a zone. Raises `ValueError` if `scores` speaks of another target or instant.
    """
    instant = _naive_utc(scored_at)
    strangers = scores.filter(
        (pc.field("target") != target) | (pc.field("scored_at") != pa.scalar(instant))
    )
    if strangers.num_rows:
        stranger = strangers.select(["target", "scored_at"]).slice(0, 1).to_pylist()[0]
        raise ValueError(
            f"{strangers.num_rows} of {scores.num_rows} scores are not of {target} at "
            f"{instant.isoformat()}, the first of {stranger['target']} at "
            f"{stranger['scored_at'].isoformat()}: hand in the rows of one scoring"
        )
    connection.begin()
    try:
        connection.execute(
            "delete from ml.scores where target = ? and scored_at = ?", [target, instant]
        )
        connection.register("scores_to_write", scores)
        connection.execute("insert into ml.scores by name select * from scores_to_write")
        connection.unregister("scores_to_write")
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
    return int(scores.num_rows)


def _most_probable(
    probabilities: npt.NDArray[np.float64], profiles: pa.ChunkedArray, params: ReasonParams
) -> npt.NDArray[np.int64]:
    """Return the row numbers of the top share; of equally probable ones the smaller ids."""
    wanted = math.ceil(params.share * len(probabilities))
    if not wanted:
        return np.empty(0, dtype=np.int64)
    ranked = pc.sort_indices(
        pa.table({"probability": probabilities, "profile_id": profiles}),
        sort_keys=[("probability", "descending"), ("profile_id", "ascending")],
    )
    chosen: npt.NDArray[np.int64] = ranked[:wanted].to_numpy().astype(np.int64)
    return chosen


def _reasons(model: TrainedModel, features: Matrix, params: ReasonParams) -> list[str]:
    """Return for each row the features that moved it most, as a JSON list of sentences."""
    contributions = model.contributions(features)
    strongest = np.argsort(-np.abs(contributions), axis=1, kind="stable")[:, : params.features]
    return [
        json.dumps(
            [
                in_words(
                    model.target,
                    model.feature_names[position],
                    float(values[position]),
                    moved[position],
                )
                for position in positions
                if moved[position] != 0
            ],
            ensure_ascii=False,
        )
        for positions, values, moved in zip(strongest, features, contributions, strict=True)
    ]


def in_words(target: str, feature: str, value: float, contribution: float) -> str:
    """Say what a feature is and which way it moves the probability."""
    name = feature.replace("_", " ")
    # Adding 0.0 turns -0.0 into 0.0.
    rounded = f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")
    said = "unknown" if math.isnan(value) else rounded
    return f"{name}: {said} ({'raises' if contribution > 0 else 'lowers'} {target})"


def _naive_utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant
