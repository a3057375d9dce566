"""Features become models, and models become scores."""

from types import ModuleType

import dagster as dg
import duckdb
import pyarrow as pa

from ml import churn, open_propensity, scores
from ml.model import NotEnoughData, TrainedModel
from ml.params import read_params
from ml.registry import Registry
from orchestration.assets.models import built_as_of, model_key
from orchestration.progress import report
from orchestration.warehouse import Warehouse

GROUP = "ml"
_BATCH_ROWS = 100_000
# Target: its module, its section of params.yaml, the examples to learn from, the rows to score.
_TARGETS: dict[str, tuple[ModuleType, str, str, str]] = {
    churn.TARGET: (
        churn,
        "churn",
        "select * from marts.ftr_churn order by profile_id, cutoff_at",
        """
        select features.*
        from marts.ftr_churn as features
        inner join marts.dim_profiles as profiles on features.profile_id = profiles.profile_id
        where profiles.may_be_profiled and features.cutoff_at = $as_of
        """,
    ),
    open_propensity.TARGET: (
        open_propensity,
        "open_propensity",
        "select * from marts.ftr_open_propensity where is_opened is not null",
        """
        select features.*
        from marts.ftr_open_propensity_now as features
        inner join marts.dim_profiles as profiles on features.profile_id = profiles.profile_id
        where profiles.may_be_profiled and features.scored_at = $as_of
        """,
    ),
}


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
    context: dg.AssetExecutionContext, warehouse: Warehouse, config: Training
) -> dg.MaterializeResult[None]:
    """Train what has no model yet, or all on request; a better model takes over."""
    registry = Registry(warehouse.models)
    params = read_params()
    metadata: dict[str, str] = {}
    for target, (module, section, examples, _) in _TARGETS.items():
        champion = registry.champion(target)
        if champion is not None and not config.retrain:
            metadata[target] = f"The {target} model {champion.version} scores."
            continue
        step = f"training {target}"
        report(step, 0, 1)
        with warehouse.connect() as connection:
            # Training alone builds nothing: the features are those of the last build.
            as_of = built_as_of(connection) if config.retrain else warehouse.instant
            outcome = module.train(
                stream(connection, examples),
                getattr(params, section),
                as_of=as_of,
                trained_at=warehouse.started_at,
                champion=champion,
                report_progress=lambda done, total, step=step: report(step, done, total),
            )
        report(step, 1, 1)
        metadata[target] = settle(registry, outcome, warehouse)
        context.log.info("%s: %s", target, metadata[target])
    return dg.MaterializeResult(metadata=metadata)


def settle(registry: Registry, outcome: TrainedModel | NotEnoughData, warehouse: Warehouse) -> str:
    """Keep a trained model and let it take over if it may; say what was decided."""
    if isinstance(outcome, NotEnoughData):
        return outcome.sentence
    return registry.submit(outcome, decided_at=warehouse.started_at).sentence


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
        for target, (module, _, _, rows) in _TARGETS.items():
            champion = registry.champion(target)
            scored = (
                module.score(champion, stream(connection, rows, as_of=warehouse.instant))
                if champion is not None
                else scores.SCHEMA.empty_table()
            )
            if champion is None:
                context.log.warning("no model of %s: its scores stay empty", target)
            scores.write(connection, scored, target, warehouse.instant)
            counts[target] = len(scored)
    return dg.MaterializeResult(metadata=counts)


def stream(
    connection: duckdb.DuckDBPyConnection, query: str, **parameters: object
) -> pa.RecordBatchReader:
    """Return the rows of a query in batches; they are not all in memory at once."""
    # sql(), not execute(): that would keep a whole copy of the result before the first batch.
    return connection.sql(query, params=parameters or None).to_arrow_reader(_BATCH_ROWS)
