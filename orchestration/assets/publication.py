"""Readers see the new build."""

import shutil
from datetime import timedelta

import dagster as dg

from orchestration.assets.delivery import SYNC
from orchestration.assets.models import BUILDS, NothingBuilt, find_built_as_of
from orchestration.forgetting import needs_rewrite
from orchestration.progress import Report
from orchestration.publication import KEEPS, name_publication, publish, published_at
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
            "months": published.months,
            "months written anew": published.months_written,
        }
    )


def publish_without_erased(warehouse: Warehouse) -> None:
    """Let no publication name people who were erased, also where the run came to none of its own.

    The tables of the build before have lost them too; those of two moments are nobody's to read.
    """
    file = name_publication(warehouse.file)
    if not file.exists() or published_at(warehouse.file) == warehouse.started_at:
        return
    with warehouse.connect() as connection:
        try:
            as_of = find_built_as_of(connection)
        except NothingBuilt:
            file.unlink()
            shutil.rmtree(file.with_suffix(""))
            return
        publish(
            connection, warehouse.file, as_of=as_of, at=warehouse.started_at, keeps=timedelta(0)
        )
