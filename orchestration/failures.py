"""Why a run failed: which step, and what it said, read off the run's events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from expectations.gate import without_addresses
from orchestration.exit_status import INTERRUPTED_QUERY


@dataclass(frozen=True)
class Failure:
    """Say why a step went no further, without an address. A door or a brake stops, it is no error.

    `step` is None for what went wrong around the steps.
    """

    step: str | None
    reason: str
    is_stop: bool

    @property
    def sentence(self) -> str:
        """The reason, and for an error the step before it."""
        return self.reason if self.is_stop or not self.step else f"{self.step}: {self.reason}"


def find_failures(events: Iterable[dg.DagsterEvent]) -> list[Failure]:
    """Return what stopped a run, or where nothing did, what failed in it; each reason once."""
    events = list(events)
    found = list(_find_stops(events)) or list(_find_broken(events))
    return list({failure.reason: failure for failure in reversed(found)}.values())[::-1]


def was_interrupted(events: Iterable[dg.DagsterEvent]) -> bool:
    """Tell whether somebody pressed Ctrl-C."""
    return any(
        error.cls_name in ("KeyboardInterrupt", "DagsterExecutionInterruptedError")
        or _find_raised(error).message.strip() == f"RuntimeError: {INTERRUPTED_QUERY}"
        for _, error in find_errors(events)
    )


def find_errors(
    events: Iterable[dg.DagsterEvent],
) -> Iterator[tuple[dg.DagsterEvent, SerializableErrorInfo]]:
    """Yield what was raised in the steps, and around them."""
    for event in events:
        if event.is_step_failure and event.step_failure_data.error is not None:
            yield event, event.step_failure_data.error
        elif event.is_job_failure and event.job_failure_data.error is not None:
            yield event, event.job_failure_data.error


def find_hook_errors(
    events: Iterable[dg.DagsterEvent],
) -> Iterator[tuple[dg.DagsterEvent, SerializableErrorInfo]]:
    """Yield what was raised while a failure was told: that is no reason of the failure."""
    for event in events:
        if event.event_type == dg.DagsterEventType.HOOK_ERRORED:
            yield event, event.hook_errored_data.error


def _find_stops(events: Iterable[dg.DagsterEvent]) -> Iterator[Failure]:
    """Yield the verdicts of doors, and the brakes of deliveries."""
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if "verdict" in evaluation.metadata and not evaluation.passed:
                yield Failure(event.step_key, str(evaluation.metadata["verdict"].value), True)
        elif event.is_step_failure:
            told_by_step = event.step_failure_data.user_failure_data
            if told_by_step and "braked" in told_by_step.metadata:
                yield Failure(event.step_key, str(told_by_step.description), True)


def _find_broken(events: Iterable[dg.DagsterEvent]) -> Iterator[Failure]:
    for event, error in find_errors(events):
        told_by_step = event.is_step_failure and event.step_failure_data.user_failure_data
        if told_by_step and told_by_step.description:
            reason = told_by_step.description
        else:
            kind, _, text = _find_raised(error).message.strip().partition(": ")
            reason = text or kind
        yield Failure(event.step_key, without_addresses(reason), False)


def _find_raised(error: SerializableErrorInfo) -> SerializableErrorInfo:
    """Return what was raised below Dagster's own; what that came from is for the log."""
    while error.cause is not None and "Dagster" in (error.cls_name or ""):
        error = error.cause
    return error
