"""Files become raw tables."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from ingestion import loader
from ingestion.contract import TABLES
from ingestion.erasure import Erased
from ingestion.schema import prepare
from orchestration.forgetting import forget
from orchestration.progress import Report
from orchestration.secret_key import keep_erasure_key, read_key
from orchestration.warehouse import Warehouse

GROUP = "ingestion"
LANDING = dg.AssetKey("landing")
_FILES_NAMED = 3

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
        prepare(connection)
        # Asked first: rows of the erased that were loaded under a wrong key would stay.
        erasure_key = keep_erasure_key(connection)
        loaded = loader.load(
            connection,
            Path(warehouse.landing),
            warehouse.started_at,
            lambda progress: report("loading files", progress.files_done, progress.files_total),
        )
        # Before anything else reads them, whatever a door may say of the rest.
        erased = forget(
            connection,
            profile_key=read_key(),
            erasure_key=erasure_key,
            as_of=warehouse.instant,
            erased_at=warehouse.started_at,
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
                "rows erased": erased.rows.get(name, 0),
                "problems": [p.message for p in loaded.problems if p.table == name],
                "warnings": [
                    *(u.message for u in loaded.unknown_columns if u.table == name),
                    # What is about no table is told with the first.
                    *(
                        (*loaded.warnings, *name_files(erased))
                        if name == next(iter(loaded.tables))
                        else ()
                    ),
                ],
            },
        )


def name_files(erased: Erased) -> list[str]:
    """Return what to say of landing files that still name people who were erased."""
    if not erased.files:
        return []
    named = ", ".join(erased.files[:_FILES_NAMED])
    more = len(erased.files) - _FILES_NAMED
    return [
        "people who were erased are still named in files of the landing folder, which are yours "
        f"to delete: {named}" + (f", and {more:,} more" if more > 0 else "")
    ]
