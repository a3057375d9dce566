"""What changed is told to the destinations, and what they answered is kept."""

import random
import time
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from orchestration.assets.models import BUILDS, model_key
from orchestration.builds import find_built_as_of
from orchestration.forgetting import rewriting_what_is_forgotten
from orchestration.progress import Report
from orchestration.resources import DESTINATIONS_FILE, read_secrets, refuse_future
from orchestration.warehouse import Warehouse
from reverse_etl.configuration import read_destinations
from reverse_etl.delivery import DeliveryOutcome, deliver
from reverse_etl.sending import Outside

GROUP = "delivery"
SYNC = [
    model_key("sync", "sync_profiles"),
    model_key("sync", "sync_segment_members"),
    model_key("sync", "sync_suppressions"),
]
RECEIPTS = dg.AssetKey(["reverse_etl", "receipts"])
# A full disk or an outage may be over soon; whoever waits at a terminal does not wait for long.
RETRIES = 2
FIRST_WAIT_SECONDS = 5


class Delivery(dg.Config):
    """Which destinations, and whether for real."""

    destinations: list[str] = Field(default_factory=list)
    dry_run: bool = False
    confirmed_plan_id: str | None = None
    command: str = Field(
        default="mailmart sync", description="what a person types to deliver the same alone"
    )


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
        as_of = find_built_as_of(connection)
        # Bare dbt builds of any instant that it is told.
        refuse_future(as_of, warehouse.started_at)
        with rewriting_what_is_forgotten(connection):
            destinations = read_destinations(DESTINATIONS_FILE)
            outcomes = deliver(
                connection,
                destinations,
                as_of=as_of,
                run_id=warehouse.run_id,
                at=warehouse.started_at,
                outbox=Path(warehouse.outbox),
                outside=Outside(
                    secrets=read_secrets(destinations.secrets(config.destinations or None)),
                    clock=time.time,
                    chance=random.random,
                ),
                names=config.destinations or None,
                dry_run=config.dry_run,
                confirmed_plan_id=config.confirmed_plan_id,
                report=report,
                command=config.command,
            )
    for outcome in outcomes:
        context.log.info(outcome.sentence)
        if outcome.warning is not None:
            context.log.warning(outcome.warning)
    stopped = [o for o in outcomes if o.status in ("braked", "failed")]
    # What waits for somebody to confirm it waits as long as that takes.
    is_braked = any(o.status == "braked" for o in stopped)
    if stopped and not is_braked and context.retry_number < RETRIES:
        raise dg.RetryRequested(
            max_retries=RETRIES, seconds_to_wait=FIRST_WAIT_SECONDS * 2**context.retry_number
        )
    if stopped:
        raise dg.Failure(
            description=" ".join(outcome.sentence for outcome in stopped),
            metadata=describe(outcomes) | ({"braked": True} if is_braked else {}),
            allow_retries=False,
        )
    return dg.MaterializeResult(metadata=describe(outcomes))


def describe(outcomes: list[DeliveryOutcome]) -> dict[str, Any]:
    """Return the outcomes as Dagster metadata; profiles are named by id in none of it."""
    metadata: dict[str, Any] = {}
    warnings = [outcome.warning for outcome in outcomes if outcome.warning is not None]
    if not outcomes:
        warnings.append(
            "every destination is disabled in destinations.yml: nobody is told anything"
        )
    if warnings:
        metadata["warnings"] = warnings
    for outcome in outcomes:
        name = outcome.destination
        metadata[name] = outcome.sentence
        metadata[f"{name}: delivered"] = outcome.delivered
        metadata[f"{name}: failed"] = outcome.failed
        metadata[f"{name}: pending"] = outcome.pending
        metadata[f"{name}: suppressed"] = outcome.suppressed
        if outcome.plan is not None:
            metadata[f"{name}: planned"] = outcome.plan.total
            metadata[f"{name}: tiers"] = dict(outcome.plan.tier_mix)
            metadata[f"{name}: plan"] = [
                {
                    "kind": each.kind,
                    "segment": each.segment,
                    "action": each.action,
                    "changes": each.changes,
                }
                for each in outcome.plan.changes
            ]
    return metadata
