"""Tell the destinations what changed, and write down what they say to it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb

from reverse_etl import holdouts, ledger, losses
from reverse_etl.brakes import Brake
from reverse_etl.configuration import (
    Destinations,
    DestinationSettings,
    FileSettings,
    WebhookSettings,
    refuse_missing_secrets,
)
from reverse_etl.desired_state import check_settings, check_sync, refuse_unmailable
from reverse_etl.destinations.file import FileDestination
from reverse_etl.destinations.webhook import WebhookDestination
from reverse_etl.plan import Plan, plan_delivery
from reverse_etl.rates import Rate
from reverse_etl.sending import Limits, Outside, Patience, Sender
from reverse_etl.shipment import Destination, DestinationError, Report, Shipment

Status = Literal["delivered", "nothing_to_do", "dry_run", "braked", "out_of_date", "failed"]

# Makes the destination that a name and its settings describe.
Opener = Callable[[str, DestinationSettings], Destination]


@dataclass(frozen=True)
class DeliveryOutcome:
    """Say what became of one destination's delivery, in figures and in one sentence.

    `plan` is None where none was made, `place` where nothing was sent. The figures count the
    destination's answers; what failed, is pending or got no answer is planned again. `warning` says
    what somebody should know though nothing went wrong.
    """

    destination: str
    status: Status
    sentence: str
    plan: Plan | None = None
    place: str | None = None
    delivered: int = 0
    failed: int = 0
    pending: int = 0
    suppressed: int = 0
    warning: str | None = None


@dataclass(frozen=True)
class _Delivery:
    """What the steps of one destination's delivery share."""

    connection: duckdb.DuckDBPyConnection
    destination: Destination
    settings: DestinationSettings
    run: ledger.Run
    report: Report
    command: str


def deliver(
    connection: duckdb.DuckDBPyConnection,
    destinations: Destinations,
    *,
    as_of: datetime,
    run_id: str,
    at: datetime,
    outbox: Path,
    outside: Outside | None = None,
    names: Collection[str] | None = None,
    dry_run: bool = False,
    confirmed_plan_id: str | None = None,
    report: Report | None = None,
    opener: Opener | None = None,
    command: str = "mailmart sync",
) -> list[DeliveryOutcome]:
    """Bring the enabled destinations, or of these the named ones, to the desired state.

    `as_of` is that of the marts, `at` the time of the run; without a zone they are UTC. Reads the
    tables of `sync`, writes those of `reverse_etl`, and expects no open transaction. `outside` is
    needed where a service is called. `command` is what a person types to deliver to these
    destinations, without naming one of them. One destination's failure is its own outcome and stops
    no other. Raise `ConfigurationError` where the settings do not fit the warehouse or a
    secret is missing, and `SyncError` where the desired state contradicts itself: then nobody is
    told anything.
    """
    selected = destinations.selected(names)
    ledger.prepare(connection)
    check_sync(connection)
    for name, settings in selected.items():
        check_settings(connection, name, settings)
        refuse_missing_secrets(name, settings, outside.secrets if outside else {})

    def open_configured(name: str, settings: DestinationSettings) -> Destination:
        match settings:
            case FileSettings():
                return FileDestination(outbox)
            case WebhookSettings() if outside is not None:
                return _open_webhook(name, settings, outside)
            case _:
                raise AssertionError(f"{name}: no module speaks to a {settings.kind}")

    outcomes = []
    opened = {}
    for name, settings in selected.items():
        run = ledger.new_run(
            connection, run_id=run_id, destination=name, as_of=_utc(as_of), at=_utc(at)
        )
        destination = opened[name] = (opener or open_configured)(name, settings)
        delivery = _Delivery(connection, destination, settings, run, report or _silence, command)
        outcomes.append(_deliver(delivery, dry_run, confirmed_plan_id))
    connection.execute("drop table if exists temp.planned_changes")
    if names is None and not dry_run:
        _forget_erased(connection, opened.values())
    return outcomes


def _open_webhook(name: str, settings: WebhookSettings, outside: Outside) -> WebhookDestination:
    return WebhookDestination(
        sender=Sender(
            name=name,
            credentials=settings.secret,
            limits=Limits(
                rows=settings.rows_per_call,
                bytes=settings.bytes_per_call,
                rates=(Rate(settings.calls_per_second, 1),),
                concurrency=settings.calls_at_once,
            ),
            outside=outside,
            patience=Patience(attempts=settings.attempts, timeout=settings.timeout_seconds),
        ),
        url=settings.url,
        secret=outside.secrets[settings.secret],
    )


def _forget_erased(
    connection: duckdb.DuckDBPyConnection, destinations: Collection[Destination]
) -> None:
    """Let nothing here name the erased whom no destination holds any more.

    The ledger comes last: a kill before it does all of it again.
    """
    profile_ids = ledger.find_removed_erased(connection)
    if profile_ids:
        for destination in destinations:
            destination.forget(profile_ids)
        ledger.forget(connection, profile_ids)


def _deliver(delivery: _Delivery, dry_run: bool, confirmed_plan_id: str | None) -> DeliveryOutcome:
    connection, run = delivery.connection, delivery.run
    _recover(delivery)
    last = ledger.last_delivered_as_of(connection, run.destination)
    if last is not None and run.as_of < last:
        return _give_way(delivery, last)
    unknown_plans, plan = _plan(delivery, None if dry_run else confirmed_plan_id)
    stopped = "; ".join(brake.sentence for brake in plan.brakes)
    confirmation = (
        f"{delivery.command} --destination {run.destination} --confirm-plan {plan.plan_id}"
    )
    if dry_run:
        waits = f"; it would wait for `{confirmation}`, because {stopped}" if stopped else ""
        return _end(
            delivery,
            "dry_run",
            f"the plan {plan.plan_id} would send {plan.sentence()}{waits}",
            plan,
        )
    if not plan.total and not stopped:
        return _end(delivery, "nothing_to_do", "nothing to send; it is up to date", plan)
    if stopped and confirmed_plan_id != plan.plan_id:
        other = f" (the confirmed plan {confirmed_plan_id} is another)" if confirmed_plan_id else ""
        return _end(
            delivery,
            "braked",
            f"nothing is sent, because {stopped}. If that is right: {confirmation}{other}",
            plan,
        )
    with ledger.transaction(connection):
        ledger.record_lost(connection, run, unknown_plans)
    if not plan.total:
        return _end(delivery, "nothing_to_do", "nothing to send; it is up to date", plan)
    refuse_unmailable(connection, run.destination)
    return _send(delivery, plan)


def _give_way(delivery: _Delivery, last: datetime) -> DeliveryOutcome:
    """Tell nothing of a past, but say how many refusals wait behind it."""
    connection, run = delivery.connection, delivery.run
    plan = plan_delivery(connection, run.destination, delivery.settings, as_of=run.as_of)
    removals, refusals = plan.count("profile", "remove"), plan.count("suppression")
    outcome = _end(
        delivery,
        "out_of_date",
        f"nothing is delivered: {_instant(run.as_of)} lies before {_instant(last)}, of which "
        "the destination was told already",
    )
    if not removals + refusals:
        return outcome
    return replace(
        outcome,
        warning=(
            f"{run.destination}: {removals:,} {'removal' if removals == 1 else 'removals'} and "
            f"{refusals:,} {'refusal' if refusals == 1 else 'refusals'} to be mailed are not told, "
            f"because this run speaks of {_instant(run.as_of)}; run again as of {_instant(last)} "
            "or later"
        ),
    )


def _plan(delivery: _Delivery, confirmed_plan_id: str | None) -> tuple[list[str], Plan]:
    """Compare, on a ledger that is whole; return also the plans that it knew nothing of.

    What was lost is restored for the comparison, and stays so once somebody confirms the plan.
    """
    connection, run = delivery.connection, delivery.run
    delivery.report(f"{run.destination}: comparing", 0, 1)
    lost = losses.find_losses(connection, run.destination)
    if lost:
        connection.execute("begin transaction")
        try:
            losses.restore(connection, run.destination)
            plan = plan_delivery(connection, run.destination, delivery.settings, as_of=run.as_of)
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit" if plan.plan_id == confirmed_plan_id else "rollback")
    else:
        plan = plan_delivery(connection, run.destination, delivery.settings, as_of=run.as_of)
    delivery.report(f"{run.destination}: comparing", 1, 1)
    seen = delivery.destination.find_deliveries(run.destination)
    unknown = sorted(seen.keys() - ledger.find_plans(connection, run.destination) - {plan.plan_id})
    brakes = [
        Brake(
            "lost_ledger",
            "ledger",
            f"{loss}. Put the schema reverse_etl back from a backup; else the plan sends everybody "
            "who is wanted again and removes who is not",
        )
        for loss in lost
    ]
    if unknown:
        counted = "1 delivery" if len(unknown) == 1 else f"{len(unknown):,} deliveries"
        brakes.append(
            Brake(
                "lost_ledger",
                "ledger",
                f"the ledger knows nothing of {counted} that {run.destination} holds, such as "
                f"{seen[unknown[0]]}, so whoever was sent by them and may not be mailed any more "
                "would not be removed. Put the schema reverse_etl back from a backup of the "
                "warehouse, or, where these are of another warehouse, name another outbox",
            )
        )
    return unknown, replace(plan, brakes=(*brakes, *plan.brakes))


def _recover(delivery: _Delivery) -> None:
    """Find out what became of a run that was interrupted, before anything else is planned."""
    connection = delivery.connection
    shipment = ledger.interrupted_shipment(connection, delivery.run.destination)
    if shipment is None:
        return
    for outcomes in delivery.destination.recover(shipment):
        ledger.acknowledge(connection, shipment, outcomes, delivery.run.at)
    ledger.close_run(connection, shipment)


def _end(
    delivery: _Delivery, status: Status, sentence: str, plan: Plan | None = None
) -> DeliveryOutcome:
    """Write down a run that sends nothing."""
    connection, run = delivery.connection, delivery.run
    with ledger.transaction(connection):
        if status == "nothing_to_do":
            # What is unsettled and yet not planned is about suppressions that were lifted.
            ledger.forget_unsettled(connection, run.destination)
            holdouts.record(connection, run.as_of)
        _record(delivery, status, plan, sentence)
    return DeliveryOutcome(run.destination, status, f"{run.destination}: {sentence}", plan)


def _send(delivery: _Delivery, plan: Plan) -> DeliveryOutcome:
    connection, run = delivery.connection, delivery.run
    shipment = Shipment(
        connection=connection,
        destination=run.destination,
        run_id=run.run_id,
        attempt=run.attempt,
        as_of=run.as_of,
        plan_id=plan.plan_id,
        delivery_number=plan.delivery_number,
        properties=plan.properties,
    )
    with ledger.transaction(connection):
        _record(delivery, "sending", plan)
        ledger.open_shipment(connection, run.destination)
        holdouts.record(connection, run.as_of)
    message = None
    try:
        for outcomes in delivery.destination.send(shipment, delivery.report):
            ledger.acknowledge(connection, shipment, outcomes, run.at)
    except DestinationError as error:
        message = str(error)
    status, tally = ledger.close_run(connection, shipment, message)
    place = delivery.destination.place(shipment)
    return DeliveryOutcome(
        destination=run.destination,
        status=status,
        sentence=f"{run.destination}: {_answered(plan, tally, place, message)}",
        plan=plan,
        place=place,
        delivered=tally.delivered,
        failed=tally.failed,
        pending=tally.pending,
        suppressed=tally.suppressed,
    )


def _record(
    delivery: _Delivery,
    status: ledger.RunStatus,
    plan: Plan | None,
    message: str | None = None,
) -> None:
    connection, run = delivery.connection, delivery.run
    if plan is None:
        ledger.record_run(connection, run, status=status, message=message)
        return
    ledger.record_run(
        connection,
        run,
        status=status,
        plan_id=plan.plan_id,
        delivery_number=plan.delivery_number,
        planned=plan.total,
        tier_mix=plan.tier_mix,
        message=message,
    )
    ledger.record_plan(
        connection,
        run,
        plan.plan_id,
        [
            (each.kind, each.segment, each.action, each.changes, list(each.examples))
            for each in plan.changes
        ],
    )


def _answered(plan: Plan, tally: ledger.Tally, place: str, message: str | None) -> str:
    """Say `3 of 4 changes delivered (profiles: 4 add) to …; 1 failed, and will be sent again`."""
    again = ", and will be sent again"
    remarks = [
        f"{number:,} {what}"
        for number, what in (
            (tally.failed, f"failed{again}"),
            (tally.pending, f"are pending{again} unless they are done by then"),
            (tally.suppressed, "were refused for good: these people must not be contacted"),
            (tally.unanswered, f"got no answer{again}"),
        )
        if number
    ]
    if message is not None:
        remarks.insert(0, message)
    sent = f"{tally.delivered:,} of {plan.total:,} changes delivered ({plan.sentence()})"
    return "; ".join([f"{sent} to {place}" if tally.delivered else sent, *remarks])


def _silence(what: str, done: int, total: int) -> None:
    """Hear of progress and say nothing."""


def _utc(instant: datetime) -> datetime:
    """Return an instant as the warehouse keeps it: UTC, without a zone."""
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant


def _instant(instant: datetime) -> str:
    return f"{instant.isoformat()}Z"
