"""The doors as blocking checks: a batch that fails stops everything behind it."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

import dagster as dg
import duckdb

from expectations import after_loading, before_delivery, before_scoring, verdicts
from expectations.gate import Finding, Verdict
from expectations.settings import DoorSettings, read_settings
from ingestion.contract import TABLES
from orchestration import data_docs
from orchestration.assets.delivery import SYNC
from orchestration.assets.landing import raw_key
from orchestration.assets.models import BUILDS, model_key
from orchestration.builds import find_built_as_of
from orchestration.progress import Report
from orchestration.resources import DATA_DOCS, find_page_url
from orchestration.warehouse import Warehouse

PROFILES = model_key("marts", "dim_profiles")
ORDERS = model_key("intermediate", "int_orders__versioned")
FEATURES = [
    model_key("marts", "ftr_churn"),
    model_key("marts", "ftr_open_propensity"),
    model_key("marts", "ftr_open_propensity_now"),
]
_FINDINGS = dg.TableSchema([dg.TableColumn(name) for name in ("result", "rule", "table", "says")])


class Judge(Protocol):
    """How a door judges a batch."""

    def __call__(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        as_of: datetime,
        judged_at: datetime,
        settings: DoorSettings,
    ) -> Verdict:
        """Return the verdict on what is in the warehouse."""
        ...


@dg.multi_asset_check(
    name="door_after_loading",
    specs=[
        dg.AssetCheckSpec(
            after_loading.DOOR,
            asset=raw_key(table),
            blocking=True,
            description="The first door: what was loaded is fit to build on.",
        )
        for table in TABLES
    ],
)
def door_after_loading(
    warehouse: Warehouse, report: dg.ResourceParam[Report]
) -> Iterator[dg.AssetCheckResult]:
    """Judge the raw tables; the findings of a table are its check."""
    report("door after loading", 0, 1)
    with warehouse.connect() as connection:
        verdict, page = judge(after_loading.judge, connection, warehouse, warehouse.instant)
    report("door after loading", 1, 1)
    for table in TABLES:
        yield make_result(raw_key(table), verdict, page, table)


@dg.multi_asset_check(
    name="door_before_scoring",
    specs=[
        dg.AssetCheckSpec(
            before_scoring.DOOR,
            # Of these features, though others are judged: behind an asset of the models there may
            # be nothing that dbt builds in the same breath, or it would start once more.
            asset=FEATURES[0],
            additional_deps=[*FEATURES[1:], PROFILES, ORDERS],
            blocking=True,
            description="The second door: these profiles are fit to learn from and to score.",
        )
    ],
)
def door_before_scoring(
    context: dg.AssetCheckExecutionContext,
    warehouse: Warehouse,
    report: dg.ResourceParam[Report],
) -> Iterator[dg.AssetCheckResult]:
    """Judge the profiles before anything is learned from them or said about them."""
    report("door before scoring", 0, 1)
    is_built_here = PROFILES in context.job_def.asset_layer.selected_asset_keys
    with warehouse.connect() as connection:
        # Training alone builds nothing: the profiles are those of the last build.
        as_of = warehouse.instant if is_built_here else find_built_as_of(connection)
        verdict, page = judge(before_scoring.judge, connection, warehouse, as_of)
    report("door before scoring", 1, 1)
    yield make_result(FEATURES[0], verdict, page)


@dg.multi_asset_check(
    name="door_before_delivery",
    specs=[
        dg.AssetCheckSpec(
            before_delivery.DOOR,
            # Not of the tables that it reads: their own build is recorded behind them, and a check
            # stops everything behind its asset.
            asset=BUILDS,
            additional_deps=SYNC,
            blocking=True,
            description="The last door: nobody is mailed who may have said no.",
        )
    ],
)
def door_before_delivery(
    warehouse: Warehouse, report: dg.ResourceParam[Report]
) -> Iterator[dg.AssetCheckResult]:
    """Judge whether anything may leave the house."""
    report("door before delivery", 0, 1)
    with warehouse.connect() as connection:
        # A delivery alone is of the last build, whatever time it is.
        as_of = find_built_as_of(connection)
        verdict, page = judge(before_delivery.judge, connection, warehouse, as_of)
    report("door before delivery", 1, 1)
    yield make_result(BUILDS, verdict, page)


def judge(
    door: Judge, connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, as_of: datetime
) -> tuple[Verdict, Path]:
    """Let a door judge, write the verdict down, and return it with its page."""
    verdicts.prepare(connection)
    verdict = door(
        connection, as_of=as_of, judged_at=warehouse.started_at, settings=read_settings()
    )
    verdicts.record(connection, verdict)
    return verdict, data_docs.keep(
        verdict, DATA_DOCS, started_at=warehouse.started_at, run_id=warehouse.run_id
    )


def make_result(
    key: dg.AssetKey, verdict: Verdict, page: Path, table: str | None = None
) -> dg.AssetCheckResult:
    """Return the findings about a table (None: all) as the check of one asset."""

    def is_told(finding: Finding) -> bool:
        return table is None or table in finding.table.split(", ")

    stops = [finding.sentence for finding in verdict.stops if is_told(finding)]
    warnings = [finding.sentence for finding in verdict.warnings if is_told(finding)]
    return dg.AssetCheckResult(
        check_name=verdict.door,
        asset_key=key,
        passed=not stops and not warnings,
        severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
        description=" ".join([*stops, *warnings]) or None,
        metadata={
            "data docs": dg.MetadataValue.url(find_page_url(page)),
            "data docs path": dg.MetadataValue.path(page),
            "findings": dg.MetadataValue.table(
                [
                    dg.TableRecord(
                        {
                            "result": "passed" if finding.passed else finding.severity,
                            "rule": finding.rule,
                            "table": finding.table,
                            "says": finding.sentence,
                        }
                    )
                    for finding in sorted(verdict.findings, key=lambda finding: finding.passed)
                    if is_told(finding)
                ],
                schema=_FINDINGS,
            ),
            # What the command line says: last where the door stops the line.
            **({"verdict": f"{verdict.sentence} See {page}"} if stops else {}),
            **({"warnings": warnings} if warnings else {}),
        },
    )
