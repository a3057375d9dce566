"""Probabilities for the people of today, and the table where they are kept."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.examples import FeatureRows, Matrix, read_rows_to_score
from ml.instants import to_utc
from ml.model import TrainedModel
from ml.target import Target

BATCH_ROWS = 100_000

SCHEMA = pa.schema(
    [
        ("profile_id", pa.string()),
        ("target", pa.string()),
        ("probability", pa.float64()),
        ("model_version", pa.string()),
        ("scored_at", pa.timestamp("us")),
    ]
)
REASONS_SCHEMA = pa.schema([("profile_id", pa.string()), ("reasons", pa.string())])


def score(model: TrainedModel, rows: FeatureRows) -> Iterator[pa.RecordBatch]:
    """Yield one score per row, in the order of `rows`, batch by batch, as `SCHEMA` says.

    `probability` is calibrated, float64, strictly between 0 and 1. `scored_at` is the row's own
    time. Raises `FeaturesError` where a feature that the model was trained on is missing; further
    columns are ignored.
    """
    for batch in read_rows_to_score(rows, model.feature_names, model.columns):
        count = len(batch.profiles)
        yield pa.record_batch(
            [
                batch.profiles,
                pa.repeat(pa.scalar(model.target), count),
                pa.array(model.predict_probabilities(batch.features)),
                pa.repeat(pa.scalar(model.version), count),
                batch.scored_at,
            ],
            schema=SCHEMA,
        )


def explain(model: TrainedModel, rows: FeatureRows) -> Iterator[pa.RecordBatch]:
    """Yield for each row the features that moved it most, batch by batch, as `REASONS_SCHEMA` says.

    `reasons` is a JSON list of sentences, strongest first. Costs far more than a score: hand in
    the rows that somebody will look at. Raises as `score` does.
    """
    for batch in read_rows_to_score(rows, model.feature_names, model.columns):
        reasons = pa.array(_reasons(model, batch.features), pa.string())
        yield pa.record_batch([batch.profiles, reasons], schema=REASONS_SCHEMA)


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


def replace(
    connection: duckdb.DuckDBPyConnection,
    target: Target,
    model: TrainedModel | None,
    *,
    as_of: datetime,
    batch_rows: int = BATCH_ROWS,
) -> int:
    """Score the target's rows at `as_of` into `ml.scores`; return how many there are.

    Replaces the scores of this target and instant and keeps all others: the table is the history.
    Without a model nobody is scored. The share of profiles that `model.reasons` names, highest
    probability first, ties by `profile_id`, get their reasons. One batch is in memory at a time.
    All or nothing: the old rows stay if the new ones cannot be written. Raises `FeaturesError` for
    rows that the model cannot read, `ValueError` for a model of another target.
    """
    if model is not None and model.target != target.name:
        raise ValueError(f"a model of {model.target} cannot score {target.name}")
    scored_at = to_utc(as_of).replace(tzinfo=None)
    # Another connection to the same warehouse, which reads on while this one writes.
    reader = connection.cursor()
    connection.begin()
    try:
        connection.execute(
            "delete from ml.scores where target = ? and scored_at = ?", [target.name, scored_at]
        )
        scored = 0
        if model is not None:
            rows = reader.sql(target.rows_query, params={"as_of": scored_at})
            # Closed whatever happens: a result that is read half keeps the whole file open.
            with rows.to_arrow_reader(batch_rows) as unscored:
                for batch in score(model, unscored):
                    _require_instant(batch, scored_at)
                    _execute_with(
                        connection, batch, "insert into ml.scores by name select * from batch", []
                    )
                    scored += batch.num_rows
            _add_reasons(connection, reader, target, model, scored_at, scored, batch_rows)
    except BaseException:
        connection.rollback()
        raise
    finally:
        reader.close()
    connection.commit()
    return scored


def in_words(target: str, feature: str, value: float, contribution: float) -> str:
    """Say what a feature is and which way it moves the probability."""
    name = feature.replace("_", " ")
    # Adding 0.0 turns -0.0 into 0.0.
    rounded = f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")
    said = "unknown" if math.isnan(value) else rounded
    return f"{name}: {said} ({'raises' if contribution > 0 else 'lowers'} {target})"


def _require_instant(batch: pa.RecordBatch, scored_at: datetime) -> None:
    others = batch.filter(pc.field("scored_at") != pa.scalar(scored_at))
    if others.num_rows:
        raise ValueError(
            f"{others.num_rows} of {batch.num_rows} rows to score are not of "
            f"{scored_at.isoformat()}, the first is of "
            f"{others.column('scored_at')[0].as_py().isoformat()}: rows_query must filter by $as_of"
        )


def _add_reasons(
    connection: duckdb.DuckDBPyConnection,
    reader: duckdb.DuckDBPyConnection,
    target: Target,
    model: TrainedModel,
    scored_at: datetime,
    scored: int,
    batch_rows: int,
) -> None:
    """Read the rows with the highest probabilities again, and say what moved them."""
    wanted = math.ceil(scored * model.reasons.share)
    if not wanted:
        return
    most_probable = connection.sql(
        """
        select profile_id from ml.scores
        where target = ? and scored_at = ?
        order by probability desc, profile_id
        limit ?
        """,
        params=[target.name, scored_at, wanted],
    ).to_arrow_table()
    reader.register("most_probable", most_probable)
    rows = reader.sql(
        f"from ({target.rows_query}) semi join most_probable using (profile_id)",
        params={"as_of": scored_at},
    )
    with rows.to_arrow_reader(batch_rows) as unexplained:
        for batch in explain(model, unexplained):
            _execute_with(
                connection,
                batch,
                """
                update ml.scores set reasons = batch.reasons from batch
                where target = ? and scored_at = ? and scores.profile_id = batch.profile_id
                """,
                [target.name, scored_at],
            )


def _execute_with(
    connection: duckdb.DuckDBPyConnection,
    batch: pa.RecordBatch,
    statement: str,
    parameters: Sequence[object],
) -> None:
    """Execute a statement that reads the rows of a batch under the name `batch`."""
    connection.register("batch", batch)
    try:
        connection.execute(statement, parameters)
    finally:
        connection.unregister("batch")


def _reasons(model: TrainedModel, features: Matrix) -> list[str]:
    contributions = model.predict_contributions(features)
    strongest = np.argsort(-np.abs(contributions), axis=1, kind="stable")
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
        for positions, values, moved in zip(
            strongest[:, : model.reasons.features], features, contributions, strict=True
        )
    ]
