"""The doors as blocking checks: a batch that fails stops everything behind it."""

from collections.abc import Iterator

import dagster as dg

from expectations import after_loading, before_delivery, verdicts
from expectations.gate import Verdict
from expectations.settings import read_settings
from ingestion.contract import TABLES
from orchestration.assets.delivery import BUILDS, SYNC
from orchestration.assets.landing import raw_key
from orchestration.progress import Report
from orchestration.warehouse import Warehouse


@dg.multi_asset_check(
    name="door_after_loading",
    specs=[
        dg.AssetCheckSpec(
            "after_loading",
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
        verdicts.prepare(connection)
        verdict = after_loading.judge(
            connection,
            as_of=warehouse.instant,
            judged_at=warehouse.started_at,
            settings=read_settings(),
        )
        verdicts.record(connection, verdict)
    report("door after loading", 1, 1)
    for table in TABLES:
        yield make_result("after_loading", raw_key(table), verdict, {table})


@dg.multi_asset_check(
    name="door_before_delivery",
    specs=[
        dg.AssetCheckSpec(
            "before_delivery",
            # Not of the tables that it reads: their own build is recorded behind them, and a check
            # stops everything behind its asset.
            asset=BUILDS,
            additional_deps=SYNC,
            blocking=True,
            description="The last door: nobody is mailed who may have said no.",
        )
    ],
)
def door_before_delivery(warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    """Judge whether anything may leave the house."""
    with warehouse.connect() as connection:
        verdicts.prepare(connection)
        verdict = before_delivery.judge(
            connection,
            as_of=warehouse.instant,
            judged_at=warehouse.started_at,
            settings=read_settings(),
        )
        verdicts.record(connection, verdict)
    yield make_result("before_delivery", BUILDS, verdict, None)


def make_result(
    check: str, key: dg.AssetKey, verdict: Verdict, tables: set[str] | None
) -> dg.AssetCheckResult:
    """Return the findings about some tables (None: all) as the check of one asset."""
    findings = [f for f in verdict.findings if tables is None or tables & set(f.table.split(", "))]
    stops = [f for f in findings if f.severity == "stop" and not f.passed]
    warnings = [f for f in findings if f.severity == "warn" and not f.passed]
    return dg.AssetCheckResult(
        check_name=check,
        asset_key=key,
        passed=not stops and not warnings,
        severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
        description=" ".join(f.sentence for f in stops + warnings) or None,
        metadata={
            **{f"{f.rule} ({f.severity})": f.sentence for f in findings},
            # What the command line says last.
            **({"verdict": verdict.sentence} if stops else {}),
        },
    )
