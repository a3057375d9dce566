"""The house on one screen: what there is, what checks it, and when it runs."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from orchestration.alerts import failed_run
from orchestration.assets import delivery, landing, models, publication, report, scores
from orchestration.checks import (
    door_after_loading,
    door_before_delivery,
    door_before_scoring,
)
from orchestration.invocation import Dbt
from orchestration.progress import keep_silent
from orchestration.schedules import (
    daily_job,
    day_job,
    deliver_job,
    every_morning,
    every_week,
    killed_runs,
    new_landing_files,
    train_job,
)
from orchestration.warehouse import Warehouse

# What is looked at from outside is built every morning; two mornings in a row are not missed.
FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)
)


def say_whose(spec: dg.AssetSpec) -> dg.AssetSpec:
    """Name the owner of an asset, and how old it may get where somebody relies on it."""
    is_relied_on = spec.key in {
        *(models.BUILDS, publication.PUBLICATION),
        *(*delivery.SYNC, delivery.RECEIPTS),
    }
    return spec.replace_attributes(
        owners=[*spec.owners] or ["team:data"],
        freshness_policy=FRESHNESS if is_relied_on else spec.freshness_policy,
    )


defs = dg.Definitions(
    assets=dg.map_asset_specs(
        say_whose,
        [
            landing.landing_files,
            landing.raw_tables,
            models.models,
            scores.champions,
            scores.profile_scores,
            publication.publication,
            delivery.receipts,
            report.report_page,
        ],
    ),
    asset_checks=[door_after_loading, door_before_scoring, door_before_delivery],
    jobs=[daily_job, day_job, train_job, deliver_job],
    schedules=[every_morning, every_week],
    sensors=[new_landing_files, failed_run, killed_runs],
    resources={
        "warehouse": Warehouse(),
        # How far a step has come; the command line hands in its console.
        "report": keep_silent,
        "dbt": Dbt(),
    },
    # One process for a run: the warehouse has one writer, and importing takes seconds each time.
    executor=dg.in_process_executor,
)
