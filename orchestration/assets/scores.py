"""Features become models, and models become scores."""

from functools import partial
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa

from ml import scores
from ml.churn import CHURN
from ml.fitting import train
from ml.model import NotEnoughData, TrainedModel
from ml.open_propensity import OPEN_PROPENSITY
from ml.params import read_params
from ml.registry import Registry
from orchestration.assets.models import model_key
from orchestration.builds import find_built_as_of
from orchestration.charts import draw_calibration, draw_learning_curve, embed
from orchestration.progress import Report
from orchestration.publication import SCORES, note_change
from orchestration.warehouse import Warehouse

GROUP = "ml"
_BATCH_ROWS = 100_000
_TARGETS = (CHURN, OPEN_PROPENSITY)


class Training(dg.Config):
    """Whether to train although there are models."""

    retrain: bool = False


@dg.asset(
    key=["ml", "champions"],
    deps=[model_key("marts", "ftr_churn"), model_key("marts", "ftr_open_propensity")],
    group_name=GROUP,
    kinds={"xgboost"},
)
def champions(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    config: Training,
    report: dg.ResourceParam[Report],
) -> dg.MaterializeResult[None]:
    """Train what has no model yet, or all on request; a better model takes over."""
    registry = Registry(warehouse.models)
    params = read_params()
    metadata: dict[str, Any] = {}
    for target in _TARGETS:
        champion = registry.champion(target.name)
        if champion is not None and not config.retrain:
            metadata[target.name] = f"The {target.name} model {champion.version} scores."
            metadata |= describe(champion)
            continue
        step = f"training {target.name}"
        report(step, 0, 1)
        with warehouse.connect() as connection:
            # Training alone builds nothing: the features are those of the last build.
            as_of = find_built_as_of(connection) if config.retrain else warehouse.instant
            with stream(connection, target.examples_query) as examples:
                outcome = train(
                    target,
                    examples,
                    target.choose_params(params),
                    as_of=as_of,
                    trained_at=warehouse.started_at,
                    champion=champion,
                    report_progress=partial(report, step),
                )
        report(step, 1, 1)
        metadata[target.name] = settle(registry, outcome, warehouse)
        context.log.info("%s: %s", target.name, metadata[target.name])
        if isinstance(outcome, TrainedModel):
            metadata |= describe(outcome)
    return dg.MaterializeResult(metadata=metadata)


def settle(registry: Registry, outcome: TrainedModel | NotEnoughData, warehouse: Warehouse) -> str:
    """Keep a trained model and let it take over if it may; say what was decided."""
    if isinstance(outcome, NotEnoughData):
        return outcome.sentence
    return registry.submit(outcome, decided_at=warehouse.started_at).sentence


def describe(model: TrainedModel) -> dict[str, Any]:
    """Return how a model learned and how well it tells people apart, as Dagster metadata."""
    name, card = model.target, model.card
    measured = card["test_metrics"]
    return {
        f"{name}: learning curve": dg.MetadataValue.md(
            embed(draw_learning_curve(card), f"learning curve of {model.version}")
        ),
        f"{name}: calibration": dg.MetadataValue.md(
            embed(draw_calibration(card), f"calibration of {model.version}")
        ),
        **{
            f"{name}: {measure}": round(float(measured[measure]), 4)
            for measure in ("roc_auc", "pr_auc", "log_loss", "calibration_error")
        },
    }


@dg.asset(
    key=["ml", "scores"],
    deps=[
        champions,
        model_key("marts", "ftr_churn"),
        model_key("marts", "ftr_open_propensity_now"),
        model_key("marts", "dim_profiles"),
    ],
    group_name=GROUP,
    kinds={"xgboost"},
)
def profile_scores(
    context: dg.AssetExecutionContext, warehouse: Warehouse
) -> dg.MaterializeResult[None]:
    """Score the people who may be profiled with the champions, as of this run."""
    registry = Registry(warehouse.models)
    counts: dict[str, int] = {}
    with warehouse.connect() as connection:
        scores.prepare(connection)
        # Beforehand: a run that is killed in between has changed some.
        note_change(connection, SCORES, warehouse.instant)
        for target in _TARGETS:
            champion = registry.champion(target.name)
            if champion is None:
                context.log.warning("no model of %s: its scores stay empty", target.name)
            counts[target.name] = scores.replace(
                connection, target, champion, as_of=warehouse.instant
            )
    return dg.MaterializeResult(metadata=counts)


def stream(connection: duckdb.DuckDBPyConnection, query: str) -> pa.RecordBatchReader:
    """Return the rows of a query in batches; they are not all in memory at once.

    To be closed: where an error keeps hold of half a result, DuckDB waits for it for ever when the
    file is opened again.
    """
    # sql(), not execute(): that would keep a whole copy of the result before the first batch.
    return connection.sql(query).to_arrow_reader(_BATCH_ROWS)
