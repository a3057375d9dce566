"""Somebody is told when a run fails, wherever a webhook says that they listen."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration.failures import find_failures
from orchestration.resources import read_failure_webhook

_PATIENCE_SECONDS = 10.0


class AlertError(RuntimeError):
    """The webhook did not take a message; the sentence keeps its address, which may be a secret."""


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Posts what failed, where and why to MAILMART_FAILURE_WEBHOOK.",
)
def failed_run(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Post the job, the run, and of each failure the step and the reason, as JSON."""
    webhook = read_failure_webhook()
    if webhook is None:
        return dg.SkipReason("MAILMART_FAILURE_WEBHOOK is not set: nobody is told")
    run = context.dagster_run
    records = context.instance.all_logs(run.run_id)
    failures = find_failures(
        [entry.dagster_event for entry in records if entry.dagster_event is not None]
    )
    post(
        webhook,
        {
            "job": run.job_name,
            "run_id": run.run_id,
            "outcome": "stopped" if any(each.is_stop for each in failures) else "failed",
            "failures": [{"step": each.step, "reason": each.reason} for each in failures],
            # What chat services show of a message.
            "text": f"mailmart: the job {run.job_name} did not end well: "
            + ("; ".join(each.sentence for each in failures) or "the run failed"),
        },
    )
    return None


def post(webhook: str, message: Mapping[str, Any]) -> None:
    """Post a message as JSON.

    Raises `AlertError` where it is not taken; Dagster then tries again at its next look.
    """
    if not webhook.startswith(("https://", "http://")):
        raise AlertError("MAILMART_FAILURE_WEBHOOK must begin with https:// or http://")
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        webhook,
        data=json.dumps(message).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:
        raise AlertError(f"the webhook for failures answered {error.code}") from None
    except (OSError, ValueError) as error:
        raise AlertError(
            f"the webhook for failures cannot be reached ({type(error).__name__})"
        ) from None
