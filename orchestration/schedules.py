"""When: a daily run, a weekly training, and a run when files arrive."""

import hashlib

import dagster as dg

from ingestion.landing import list_files
from orchestration.assets.delivery import receipts
from orchestration.assets.scores import champions
from orchestration.checks import door_before_delivery
from orchestration.resources import find_landing

daily_job = dg.define_asset_job(
    "daily",
    selection=dg.AssetSelection.all(),
    description="The main job: landing files to receipts.",
)
train_job = dg.define_asset_job(
    "train",
    selection=dg.AssetSelection.assets(champions),
    config={"ops": {"ml__champions": {"config": {"retrain": True}}}},
    description="Train on the features of the last build; a better model takes over.",
)
deliver_job = dg.define_asset_job(
    "deliver",
    selection=dg.AssetSelection.assets(receipts) | dg.AssetSelection.checks(door_before_delivery),
    description="The delivery alone, of what the last build says.",
)


@dg.schedule(job=daily_job, cron_schedule="0 4 * * *", execution_timezone="UTC")
def every_morning(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Run the main job as of four in the morning, whenever it really starts."""
    as_of = context.scheduled_execution_time
    return dg.RunRequest(
        run_key=as_of.isoformat(),
        run_config={"resources": {"warehouse": {"config": {"as_of": as_of.isoformat()}}}},
    )


every_week = dg.ScheduleDefinition(
    name="every_week", job=train_job, cron_schedule="0 2 * * 0", execution_timezone="UTC"
)


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
