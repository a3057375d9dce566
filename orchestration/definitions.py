"""The house on one screen: what there is, what checks it, and when it runs."""

from __future__ import annotations

import dagster as dg
from dagster_dbt import DbtCliResource

from orchestration.assets import delivery, landing, models, scores
from orchestration.checks import door_after_loading, door_before_delivery
from orchestration.progress import keep_silent
from orchestration.resources import DBT, ROOT
from orchestration.schedules import (
    daily_job,
    deliver_job,
    every_morning,
    every_week,
    new_landing_files,
    train_job,
)
from orchestration.warehouse import Warehouse

defs = dg.Definitions(
    assets=[
        landing.landing_files,
        landing.raw_tables,
        models.models,
        scores.champions,
        scores.profile_scores,
        delivery.receipts,
    ],
    asset_checks=[door_after_loading, door_before_delivery],
    jobs=[daily_job, train_job, deliver_job],
    schedules=[every_morning, every_week],
    sensors=[new_landing_files],
    resources={
        "warehouse": Warehouse(),
        # How far a step has come; the command line hands in its console.
        "report": keep_silent,
        "dbt": DbtCliResource(
            project_dir=str(ROOT),
            profiles_dir=str(ROOT),
            dbt_executable=str(DBT),
        ),
    },
    # One process for a run: the warehouse has one writer, and importing takes seconds each time.
    executor=dg.in_process_executor,
)
