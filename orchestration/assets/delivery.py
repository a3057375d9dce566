"""What changed is told to the destinations, and what they answered is kept."""

from datetime import datetime
from pathlib import Path

import dagster as dg
import duckdb
from pydantic import Field

from orchestration.assets.models import model_key
from orchestration.progress import report
from orchestration.resources import DESTINATIONS_FILE, Warehouse
from reverse_etl.configuration import read_destinations
from reverse_etl.delivery import DeliveryOutcome, deliver

GROUP = "delivery"
SYNC = [
    model_key("sync", "sync_profiles"),
    model_key("sync", "sync_segment_members"),
    model_key("sync", "sync_suppressions"),
]


class Delivery(dg.Config):
    """Which destinations, and whether for real."""

    destinations: list[str] = Field(default_factory=list)
    dry_run: bool = False
    confirmed_plan_id: str | None = None


@dg.asset(key=["reverse_etl", "receipts"], deps=SYNC, group_name=GROUP, kinds={"reverseetl"})
def receipts(
    context: dg.AssetExecutionContext, warehouse: Warehouse, config: Delivery
) -> dg.MaterializeResult[None]:
    """Bring every destination from what it acknowledged to what it should hold."""
    with warehouse.connect() as connection:
        outcomes = deliver(
            connection,
            read_destinations(DESTINATIONS_FILE),
            as_of=built_as_of(connection),
            run_id=warehouse.run_id,
            at=warehouse.started_at,
            outbox=Path(warehouse.outbox),
            names=config.destinations or None,
            dry_run=config.dry_run,
            confirmed_plan_id=config.confirmed_plan_id,
            report=report,
        )
    for outcome in outcomes:
        context.log.info(outcome.sentence)
    stopped = [o for o in outcomes if o.status in ("braked", "failed")]
    if stopped:
        raise dg.Failure(
            description=" ".join(outcome.sentence for outcome in stopped),
            metadata=described(outcomes)
            | ({"braked": True} if any(o.status == "braked" for o in outcomes) else {}),
            allow_retries=False,
        )
    return dg.MaterializeResult(metadata=described(outcomes))


def built_as_of(connection: duckdb.DuckDBPyConnection) -> datetime:
    """Return the instant of which the desired state speaks: that of the newest build."""
    row = connection.execute("select max_by(as_of, built_at) from marts.fct_builds").fetchone()
    if row is None or row[0] is None:
        raise RuntimeError("nothing was built yet; run `mailmart run` first")
    as_of: datetime = row[0]
    return as_of


def described(outcomes: list[DeliveryOutcome]) -> dict[str, str | int | bool]:
    """Return the outcomes as Dagster metadata; profiles are named by id in none of it."""
    metadata: dict[str, str | int | bool] = {}
    for outcome in outcomes:
        metadata[outcome.destination] = outcome.sentence
        metadata[f"{outcome.destination}: delivered"] = outcome.delivered
        metadata[f"{outcome.destination}: failed"] = outcome.failed
    return metadata
