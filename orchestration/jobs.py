"""One run of a job in this process, recorded where `make ui` shows it, and what came of it."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from rich.console import Console

from expectations.gate import without_addresses
from orchestration import (
    database,
    diagnosis,
    failures,
    forgetting,
    history,
    lock,
    logs,
    progress,
    resources,
    schema,
    secret_key,
)
from orchestration.database import WarehouseError
from orchestration.exit_status import DONE, FAILED, INTERRUPTED, STOPPED
from orchestration.manifest import ProjectError, read_project
from orchestration.run_report import find_report
from reverse_etl.configuration import read_destinations


@dataclass
class Result:
    """What a run came to. `connection` reads the warehouse while the result is looked at.

    `report` is the page of the run, where it came far enough to have one.
    """

    status: int
    sentence: str
    run_id: str
    materialized: frozenset[dg.AssetKey] = frozenset()
    lines: list[str] = field(default_factory=list)
    connection: duckdb.DuckDBPyConnection | None = None
    report: Path | None = None


@contextmanager
def run_job(
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

    Paths are of the folder that the caller stands in. Nothing is raised for what a run can come
    to: the result's status and sentence say it.
    """
    warehouse = warehouse.absolute()
    settings: dict[str, Any] = {"path": str(warehouse), "full_refresh": full_refresh}
    if landing is not None:
        settings["landing"] = str(landing.absolute())
    if outbox is not None:
        settings["outbox"] = str(outbox.absolute())
    if as_of is not None:
        settings["as_of"] = as_of.isoformat()
    run_config: dict[str, Any] = {
        "resources": {"warehouse": {"config": settings}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    if delivery is not None:
        run_config["ops"] = {"reverse_etl__receipts": {"config": dict(delivery)}}

    with ExitStack() as held:
        try:
            # All that can be known beforehand is said before anything starts.
            diagnosis.read_settings_files()
            if job != "daily" and not warehouse.exists():
                raise WarehouseError(
                    f"there is no warehouse {warehouse} yet; `mailmart run` makes it"
                )
            held.enter_context(lock.hold(warehouse))
            with closing(database.open_warehouse(warehouse)) as connection:
                secret_key.check_key(connection)
                schema.check_columns(connection)
            execution = execute(job, run_config, console)
            connection = held.enter_context(closing(database.open_warehouse(warehouse)))
        except (
            *(WarehouseError, ProjectError, history.HistoryError, OSError),
            *diagnosis.SETTINGS_ERRORS,
        ) as error:
            result = Result(FAILED, str(error), "")
        else:
            result = conclude(execution, connection)
            if result.status == DONE and forgetting.needs_rewrite(connection):
                result.status = FAILED
                result.sentence = (
                    "people were erased from every table, but the publication or freed blocks of "
                    f"{warehouse} may still name them, because these could not be written anew; "
                    "make room beside it and run again"
                )
        finally:
            clear_targets(resources.ROOT / "target")
        yield result


def execute(job: str, run_config: Mapping[str, Any], console: Console) -> dg.ExecuteInProcessResult:
    """Run a job in this process, with its progress on the console and its story in its log."""
    with progress.show(console) as report:
        read_project(report)
        diagnosis.check_names(read_destinations(resources.DESTINATIONS_FILE))
        from orchestration.definitions import defs

        # dbt and Dagster tell each step in full: to the log, not to the person.
        with (
            history.open_history() as instance,
            logs.open_log(job) as log,
            redirect_stdout(log),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            history.settle_killed_runs(instance)
            execution = defs.resolve_job_def(job).execute_in_process(
                run_config=run_config,
                instance=instance,
                resources={"report": report},
                raise_on_error=False,
            )
            log.writelines(
                f"{without_addresses(error.to_string())}\n"
                for _, error in (
                    *failures.find_errors(execution.all_events),
                    *failures.find_hook_errors(execution.all_events),
                )
            )
    return execution


def conclude(
    execution: dg.ExecuteInProcessResult,
    connection: duckdb.DuckDBPyConnection,
) -> Result:
    """Read the status and the sentence of a run off its events."""
    result = Result(DONE, "", execution.run_id, connection=connection)
    result.report = find_report(execution.run_id)
    result.lines = list(find_messages(execution))
    result.materialized = frozenset(
        event.asset_key
        for event in execution.get_asset_materialization_events()
        if event.asset_key is not None
    )
    problems = sorted(
        problem
        for event in execution.get_asset_materialization_events()
        for problem in read_metadata(event).get("problems", [])
    )
    failed = failures.find_failures(execution.all_events)
    if failures.was_interrupted(execution.all_events):
        result.status = INTERRUPTED
        result.sentence = (
            "interrupted; what was loaded and built stays, and the same command goes on from there"
        )
    elif failed and failed[0].is_stop:
        result.status, result.sentence = STOPPED, failed[0].sentence
    elif failed or not execution.success:
        result.status = FAILED
        log = logs.find_log(execution.job_def.name)
        result.sentence = failed[0].sentence if failed else "the run failed"
        result.sentence += f" ({log} has the details)"
    elif problems:
        result.status = FAILED
        if len(problems) == 1:
            result.sentence = f"not loaded: {problems.pop()}"
        else:
            result.sentence = (
                f"{len(problems):,} files were not loaded; each is named above, and in "
                "raw.loaded_files"
            )
    result.lines += find_rebuild(connection, result.materialized)
    result.lines += find_warnings(execution)
    result.lines += [f"not loaded: {problem}" for problem in problems]
    return result


def find_rebuild(
    connection: duckdb.DuckDBPyConnection, materialized: Collection[dg.AssetKey]
) -> Iterator[str]:
    """Yield why a run built all models anew, where nobody has asked for it."""
    if dg.AssetKey(["marts", "dim_profiles"]) not in materialized:
        return
    for (reason,) in connection.execute(
        "select arg_max(coalesce(rebuild_reason, ''), began_at) from intermediate.build_states"
    ).fetchall():
        if reason not in ("", "a full refresh was asked for", "no build has finished before"):
            yield f"Everything was built anew: {reason}."


def find_warnings(execution: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Yield what was let through with a remark, each remark once, and where a door tells more."""
    remarks = [
        warning
        for event in execution.get_asset_materialization_events()
        for warning in read_metadata(event).get("warnings", [])
    ]
    pages = {}
    for evaluation in execution.get_asset_check_evaluations():
        metadata = {name: entry.value for name, entry in evaluation.metadata.items()}
        warned = metadata.get("warnings", [])
        if isinstance(warned, list) and warned:
            remarks += warned
            pages[evaluation.check_name] = metadata.get("data docs path")
    yield from (f"warning: {remark}" for remark in dict.fromkeys(remarks))
    yield from (f"what the door {door} found: see {page}" for door, page in pages.items())


def find_messages(execution: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Yield what the models and the deliveries have to say for themselves."""
    for event in execution.get_asset_materialization_events():
        if event.asset_key in (
            dg.AssetKey(["ml", "champions"]),
            dg.AssetKey(["reverse_etl", "receipts"]),
        ):
            # Plain texts are sentences; pictures are for the pages.
            yield from (
                entry.text
                for entry in event.materialization.metadata.values()
                if isinstance(entry, dg.TextMetadataValue) and entry.text
            )


def read_metadata(event: dg.DagsterEvent) -> dict[str, Any]:
    """Return the plain metadata of a materialization."""
    metadata = event.materialization.metadata
    return {name: entry.value for name, entry in metadata.items()}


def clear_targets(target: Path, older_than: timedelta = timedelta(days=7)) -> None:
    """Remove what dbt left of failed invocations long ago; other runs may be at work beside."""
    oldest = (datetime.now(UTC) - older_than).timestamp()
    for folder in target.glob("dbt_models*-*"):
        if folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)
