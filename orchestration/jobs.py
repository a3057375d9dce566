"""One run of a job in this process, recorded where `make ui` shows it, and what came of it."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from rich.console import Console

from orchestration import progress, resources
from orchestration.assets.models import manifest
from orchestration.resources import DONE, FAILED, STOPPED


@dataclass
class Result:
    """What a run came to. `connection` reads the warehouse while the result is looked at."""

    status: int
    sentence: str
    run_id: str
    started_at: datetime
    has_built: bool = False
    lines: list[str] = field(default_factory=list)
    connection: duckdb.DuckDBPyConnection | None = None


@contextmanager
def executed(
    job: str,
    *,
    warehouse: Path,
    console: Console,
    landing: Path | None = None,
    outbox: Path | None = None,
    as_of: datetime | None = None,
    full_refresh: bool = False,
    delivery: Mapping[str, Any] | None = None,
) -> Iterator[Result]:
    """Run a job and hand out its result, with a connection to look into the warehouse.

    Nothing is raised for what a run can come to: the result's status and sentence say it.
    """
    settings: dict[str, Any] = {"path": str(warehouse), "full_refresh": full_refresh}
    if landing is not None:
        settings["landing"] = str(landing)
    if outbox is not None:
        settings["outbox"] = str(outbox)
    if as_of is not None:
        settings["as_of"] = as_of.isoformat()
    run_config: dict[str, Any] = {
        "resources": {"warehouse": {"config": settings}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    if delivery is not None:
        run_config["ops"] = {"reverse_etl__receipts": {"config": dict(delivery)}}

    started_at = datetime.now(UTC).replace(tzinfo=None)
    try:
        # Found out before anything starts; the run itself takes the right to write once more.
        with resources.writing(warehouse.absolute()):
            resources.open_warehouse(warehouse).close()
        with progress.showing(console):
            manifest()
            from orchestration.definitions import defs

            # dbt and Dagster tell each step in full: to the log, not to the person.
            with resources.log(job) as log, redirect_stdout(log), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                execution = defs.resolve_job_def(job).execute_in_process(
                    run_config=run_config,
                    instance=resources.dagster_instance(),
                    raise_on_error=False,
                )
    except resources.WarehouseError as error:
        yield Result(FAILED, str(error), "", started_at)
        return
    finally:
        clear_targets()
    connection = resources.open_warehouse(warehouse)
    try:
        yield concluded(execution, connection, started_at)
    finally:
        connection.close()


def concluded(
    execution: dg.ExecuteInProcessResult,
    connection: duckdb.DuckDBPyConnection,
    started_at: datetime,
) -> Result:
    """Read the status and the sentence of a run off its events."""
    result = Result(DONE, "", execution.run_id, started_at, connection=connection)
    result.lines = list(told(execution))
    result.has_built = any(
        event.asset_key == dg.AssetKey(["marts", "fct_builds"])
        for event in execution.get_asset_materialization_events()
    )
    problems = [
        problem
        for event in execution.get_asset_materialization_events()
        for problem in materialized(event).get("problems", [])
    ]
    stopped = list(dict.fromkeys(stops(execution)))
    failed = list(failures(execution))
    if stopped:
        result.status, result.sentence = STOPPED, stopped[0]
    elif failed:
        result.status, result.sentence = FAILED, failed[0]
    elif not execution.success:
        result.status, result.sentence = FAILED, "the run failed; `make ui` shows where"
    elif problems:
        result.status = FAILED
        others = f" (and {len(problems) - 1:,} more, above)" if len(problems) > 1 else ""
        result.sentence = f"not loaded: {problems[0]}{others}"
    result.lines += [f"not loaded: {problem}" for problem in problems]
    return result


def stops(execution: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Yield what stopped the line: verdicts of doors, and brakes of deliveries."""
    for evaluation in execution.get_asset_check_evaluations():
        if "verdict" in evaluation.metadata and not evaluation.passed:
            yield str(evaluation.metadata["verdict"].value)
    for event in execution.all_events:
        if event.is_step_failure:
            told_by_step = event.step_failure_data.user_failure_data
            if told_by_step and "braked" in told_by_step.metadata:
                yield str(told_by_step.description)


def failures(execution: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Yield one sentence per step that failed, with the reason at the bottom of it."""
    for event in execution.all_events:
        if not event.is_step_failure:
            continue
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            yield f"{event.step_key}: {data.user_failure_data.description}"
            continue
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            yield f"{event.step_key}: {shortened(error.message)}"


def shortened(message: str) -> str:
    """Return what an error says without its type; of dbt's story the part about the failure."""
    _, _, told_by_dbt = message.partition("Errors parsed from dbt logs:")
    if told_by_dbt:
        lines = [line.strip() for line in told_by_dbt.splitlines() if line.strip()]
        failure = next((i for i, line in enumerate(lines) if line.startswith("Failure in")), 0)
        return " ".join(lines[failure : failure + 3])
    kind, _, text = message.strip().partition(": ")
    return text or kind


def told(execution: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Yield what the models and the deliveries have to say for themselves."""
    for event in execution.get_asset_materialization_events():
        if event.asset_key in (
            dg.AssetKey(["ml", "champions"]),
            dg.AssetKey(["reverse_etl", "receipts"]),
        ):
            yield from (value for value in materialized(event).values() if isinstance(value, str))


def materialized(event: dg.DagsterEvent) -> dict[str, Any]:
    """Return the plain metadata of a materialization."""
    metadata = event.materialization.metadata
    return {name: entry.value for name, entry in metadata.items()}


def clear_targets(keep: int = 3) -> None:
    """Remove the folders that dbt left for earlier invocations; the newest stay."""
    folders = [path for path in (resources.ROOT / "target").glob("dbt_models-*") if path.is_dir()]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime)[:-keep]:
        shutil.rmtree(folder, ignore_errors=True)
