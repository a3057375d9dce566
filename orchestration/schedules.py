"""When: a daily run, a weekly training, and a run when files arrive."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from ingestion.landing import list_files
from orchestration.assets.delivery import receipts
from orchestration.assets.report import report_of_a_failure, report_page
from orchestration.assets.scores import champions
from orchestration.checks import door_before_delivery, door_before_scoring
from orchestration.history import settle_killed_runs
from orchestration.resources import find_landing

_IN_THE_MORNING = timedelta(hours=4)

daily_job = dg.define_asset_job(
    "daily",
    selection=dg.AssetSelection.all(),
    description="The main job: landing files to receipts.",
    hooks={report_of_a_failure},
)


@dg.daily_partitioned_config(start_date="2010-01-01")
def speak_of_the_day(start: datetime, end: datetime) -> dict[str, Any]:
    """Return the configuration of a run that speaks of a day as that morning's run did."""
    return _speak_of(start + _IN_THE_MORNING)


day_job = dg.define_asset_job(
    "day",
    selection=dg.AssetSelection.all(),
    config=speak_of_the_day,
    description=(
        "The main job as of one day at four in the morning, or by a backfill of a range of them. "
        "A destination that was told of a later day already is told nothing."
    ),
    hooks={report_of_a_failure},
)
train_job = dg.define_asset_job(
    "train",
    selection=dg.AssetSelection.assets(champions) | dg.AssetSelection.checks(door_before_scoring),
    config={"ops": {"ml__champions": {"config": {"retrain": True}}}},
    description="Train on the features of the last build; a better model takes over.",
)
deliver_job = dg.define_asset_job(
    "deliver",
    selection=dg.AssetSelection.assets(receipts, report_page)
    | dg.AssetSelection.checks(door_before_delivery),
    description="The delivery alone, of what the last build says.",
    hooks={report_of_a_failure},
)


@dg.schedule(job=daily_job, cron_schedule="0 4 * * *", execution_timezone="UTC")
def every_morning(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Run the main job as of four in the morning, whenever it really starts."""
    as_of = context.scheduled_execution_time
    return dg.RunRequest(
        run_key=as_of.isoformat(),
        run_config=_speak_of(as_of),
    )


every_week = dg.ScheduleDefinition(
    name="every_week", job=train_job, cron_schedule="0 2 * * 0", execution_timezone="UTC"
)


def _speak_of(as_of: datetime) -> dict[str, Any]:
    return {"resources": {"warehouse": {"config": {"as_of": as_of.isoformat()}}}}


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells runs as failed whose process was killed, or the queue would wait for them.",
)
def killed_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Settle the runs that nobody else can."""
    killed = settle_killed_runs(context.instance)
    return dg.SkipReason(f"settled: {', '.join(killed)}" if killed else "no run was killed")


@dg.sensor(job=daily_job, minimum_interval_seconds=60)
def new_landing_files(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Run the main job when the landing folder holds other files than at the last look."""
    folder = find_landing()
    if not folder.is_dir():
        return dg.SkipReason(f"there is no landing folder {folder}")
    files = list_files(folder).files
    if not files:
        return dg.SkipReason(f"the landing folder {folder} is empty")
    listing = "\n".join(
        f"{file.table}/{file.path} {file.size_bytes} {file.modified_ns}" for file in files
    )
    seen = hashlib.sha256(listing.encode()).hexdigest()
    number, _, before = (context.cursor or "0 ").partition(" ")
    if seen == before:
        return dg.SkipReason(f"no new files among {len(files):,}")
    # Numbered: Dagster makes one run for a key, ever, and a folder may look as it once did.
    look = f"{int(number) + 1} {seen}"
    context.update_cursor(look)
    return dg.RunRequest(run_key=look)
