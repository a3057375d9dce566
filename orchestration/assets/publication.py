"""Readers see the new build."""

from datetime import timedelta

import dagster as dg

from orchestration.assets.delivery import SYNC
from orchestration.assets.models import BUILDS
from orchestration.builds import find_built_as_of
from orchestration.forgetting import needs_rewrite
from orchestration.progress import Report
from orchestration.publication import KEEPS, publish
from orchestration.warehouse import Warehouse

PUBLICATION = dg.AssetKey(["public", "publication"])


@dg.asset(
    key=PUBLICATION,
    deps=[BUILDS, *SYNC],
    group_name="publication",
    kinds={"duckdb", "parquet"},
)
def publication(
    warehouse: Warehouse, report: dg.ResourceParam[Report]
) -> dg.MaterializeResult[None]:
    """Publish the tables of the build beside the warehouse, where readers never wait for a run."""
    report("publishing", 0, 1)
    with warehouse.connect() as connection:
        published = publish(
            connection,
            warehouse.file,
            as_of=find_built_as_of(connection),
            at=warehouse.started_at,
            # What names people who were erased in this run may not wait for its readers.
            keeps=timedelta(0) if needs_rewrite(connection) else KEEPS,
        )
    report("publishing", 1, 1)
    return dg.MaterializeResult(
        metadata={
            "file": dg.MetadataValue.path(published.file),
            "tables": published.tables,
            "files": published.files,
            "files compared": published.files_compared,
            "files written anew": published.files_written,
        }
    )
