"""What changed is told to the destinations, and what they answered is kept."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from orchestration.assets.models import find_built_as_of, model_key
from orchestration.progress import Report
from orchestration.resources import DESTINATIONS_FILE
from orchestration.warehouse import Warehouse
from reverse_etl.configuration import read_destinations
from reverse_etl.delivery import DeliveryOutcome, deliver

GROUP = "delivery"
SYNC = [
    model_key("sync", "sync_profiles"),
    model_key("sync", "sync_segment_members"),
    model_key("sync", "sync_suppressions"),
]
# The record of a build comes last: where it is there, all of the build is.
BUILDS = model_key("marts", "fct_builds")


class Delivery(dg.Config):
    """Which destinations, and whether for real."""

    destinations: list[str] = Field(default_factory=list)
    dry_run: bool = False
    confirmed_plan_id: str | None = None


@dg.asset(
    key=["reverse_etl", "receipts"], deps=[*SYNC, BUILDS], group_name=GROUP, kinds={"reverseetl"}
)
def receipts(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    config: Delivery,
    report: dg.ResourceParam[Report],
) -> dg.MaterializeResult[None]:
    """Bring every destination from what it acknowledged to what it should hold."""
    with warehouse.connect() as connection:
        outcomes = deliver(
            connection,
            read_destinations(DESTINATIONS_FILE),
            as_of=find_built_as_of(connection),
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
            metadata=describe(outcomes)
            | ({"braked": True} if any(o.status == "braked" for o in outcomes) else {}),
            allow_retries=False,
        )
    return dg.MaterializeResult(metadata=describe(outcomes))


def describe(outcomes: list[DeliveryOutcome]) -> dict[str, str | int | bool]:
    """Return the outcomes as Dagster metadata; profiles are named by id in none of it."""
    metadata: dict[str, str | int | bool] = {}
    for outcome in outcomes:
        metadata[outcome.destination] = outcome.sentence
        metadata[f"{outcome.destination}: delivered"] = outcome.delivered
        metadata[f"{outcome.destination}: failed"] = outcome.failed
    return metadata
