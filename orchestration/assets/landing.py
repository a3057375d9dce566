"""Files become raw tables."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from ingestion import loader
from ingestion.contract import TABLES
from orchestration.progress import Report
from orchestration.warehouse import Warehouse

GROUP = "ingestion"
LANDING = dg.AssetKey("landing")

landing_files = dg.AssetSpec(
    LANDING, group_name=GROUP, description="The files that somebody put into the landing folder."
)


def raw_key(table: str) -> dg.AssetKey:
    """Return the asset key of a raw table; dbt's sources have the same."""
    return dg.AssetKey(["raw", table])


@dg.multi_asset(
    name="load_landing",
    specs=[
        dg.AssetSpec(
            raw_key(table.name),
            deps=[LANDING],
            group_name=GROUP,
            description=table.description,
            kinds={"duckdb"},
        )
        for table in TABLES.values()
    ],
)
def raw_tables(
    context: dg.AssetExecutionContext, warehouse: Warehouse, report: dg.ResourceParam[Report]
) -> Iterator[dg.MaterializeResult[None]]:
    """Load what is new in the landing folder, each file exactly once."""
    with warehouse.connect() as connection:
        loaded = loader.load(
            connection,
            Path(warehouse.landing),
            warehouse.started_at,
            lambda progress: report("loading files", progress.files_done, progress.files_total),
        )
    for warning in (*loaded.warnings, *(u.message for u in loaded.unknown_columns)):
        context.log.warning(warning)
    for problem in loaded.problems:
        context.log.error(problem.message)
    for name, table in loaded.tables.items():
        yield dg.MaterializeResult(
            asset_key=raw_key(name),
            metadata={
                "files loaded": table.files_loaded,
                "dagster/partition_row_count": table.rows_loaded,
                "rows rejected": table.rows_rejected,
                "problems": [p.message for p in loaded.problems if p.table == name],
                "warnings": [
                    *(u.message for u in loaded.unknown_columns if u.table == name),
                    # What is about no table is told with the first.
                    *(loaded.warnings if name == next(iter(loaded.tables)) else ()),
                ],
            },
        )
