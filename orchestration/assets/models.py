"""The dbt models as assets, their tests as checks."""

import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets

from ingestion.contract import TABLES
from orchestration import rules
from orchestration.invocation import Dbt, DbtError
from orchestration.manifest import PATTERNS_FILE, read_project, read_segments
from orchestration.progress import Report
from orchestration.resources import ROOT
from orchestration.warehouse import Warehouse


def model_key(layer: str, model: str) -> dg.AssetKey:
    """Return the asset key of a dbt model."""
    return dg.AssetKey([layer, model])


# The record of a build comes last: where it is there, all of the build is.
BUILDS = model_key("marts", "fct_builds")


class Translator(DagsterDbtTranslator):
    """Group the models by what they are about, and let nothing be built before the first door."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Tell the receipts that a run reads from those it writes: no graph may be a circle."""
        if dbt_resource_props["resource_type"] == "source" and (
            dbt_resource_props["source_name"] == "reverse_etl"
        ):
            return dg.AssetKey(["reverse_etl", f"earlier_{dbt_resource_props['name']}"])
        return super().get_asset_key(dbt_resource_props)

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Let what reads no raw table wait for the first door too: one dbt invocation less."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        parents = manifest["parent_map"][unique_id]
        if not parents or all(
            parent.startswith("source.mailmart.reverse_etl") for parent in parents
        ):
            return spec.merge_attributes(deps=[dg.AssetKey(["raw", table]) for table in TABLES])
        return spec

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the layer, and for marts the folder within it."""
        path = Path(dbt_resource_props["original_file_path"]).parts
        layer = path[2] if len(path) > 3 and path[1] == "models" else path[1]
        return path[3] if layer == "marts" else layer


def count_rows(
    connection: duckdb.DuckDBPyConnection, keys: Collection[dg.AssetKey]
) -> Iterator[tuple[dg.AssetKey, int]]:
    """Yield the rows of each table among some models.

    A view costs its query: its rows are those that the record of the build has, once it is there.
    """
    tables = connection.execute(
        "select table_schema, table_name from information_schema.tables"
        " where table_type = 'BASE TABLE' and table_catalog = current_catalog() order by all"
    ).fetchall()
    if BUILDS in keys:
        yield from read_counts(connection)
    for schema, table in tables:
        # The files of the layer sync carry its name; the tables do not.
        key = model_key(schema, f"sync_{table}" if schema == "sync" else table)
        if key in keys:
            ((rows,),) = connection.execute(f'select count(*) from "{schema}"."{table}"').fetchall()
            yield key, rows


def read_counts(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[dg.AssetKey, int]]:
    """Yield the rows of each mart that is a view, as the newest build has counted them."""
    views = connection.execute(
        "select table_name from information_schema.tables"
        " where table_schema = 'marts' and table_type = 'VIEW' order by all"
    ).fetchall()
    cursor = connection.execute("select * from marts.fct_builds order by built_at desc limit 1")
    names = [name for name, *_ in cursor.description or ()]
    for build in cursor.fetchall():
        counts = dict(zip(names, build, strict=True))
        for (view,) in views:
            if f"{view}_rows" in counts:
                yield model_key("marts", view), counts[f"{view}_rows"]


def find_mistakes(warehouse: Warehouse, told_by_dbt: str) -> list[str]:
    """Return which rule that people write makes a model fail, where that is how it failed.

    The database knows the model alone, which is made of all of them.
    """
    if "profile_segments" in told_by_dbt:
        with warehouse.connect() as connection:
            return list(rules.find_segment_mistakes(connection, read_segments()))
    if "int_email_events__classified" in told_by_dbt:
        return list(rules.find_pattern_mistakes(PATTERNS_FILE))
    return []


@dbt_assets(
    manifest=read_project(),
    dagster_dbt_translator=Translator(),
    # The unit tests are about the code, not about today's data: `make test` runs them.
    exclude="resource_type:unit_test",
    name="dbt_models",
)
def models(
    context: dg.AssetExecutionContext,
    dbt: Dbt,
    warehouse: Warehouse,
    report: dg.ResourceParam[Report],
) -> Iterator[Any]:
    """Build the models of this step, seeds and tests included, in one invocation of dbt."""
    # A test of two models runs with the later one, or it would look for a table not built yet.
    arguments = [
        "build",
        "--exclude-resource-type",
        "unit_test",
        "--indirect-selection",
        "buildable",
    ]
    if warehouse.full_refresh:
        arguments.append("--full-refresh")
    target = ROOT / "target" / f"{context.op.name}-{context.run.run_id}"
    total = len(context.selected_asset_keys) + len(context.selected_asset_check_keys)
    step = (
        "building profiles"
        if model_key("marts", "dim_profiles") in context.selected_asset_keys
        else "building segments"
    )
    stream = dbt.build(context, arguments, target)
    # Dagster throws this generator away half-read where it is interrupted between two events.
    warehouse.call_at_end(stream.close)
    try:
        for done, event in enumerate(stream, start=1):
            report(step, min(done, total), total)
            yield event
    except DbtError as error:
        mistakes = find_mistakes(warehouse, str(error)) or [error.first]
        raise dg.Failure("; ".join(mistakes), allow_retries=False) from error
    report(step, total, total)
    with warehouse.connect() as connection:
        for key, rows in count_rows(connection, context.selected_asset_keys):
            yield dg.AssetObservation(key, metadata={"dagster/row_count": rows})
    # What dbt leaves is for looking into failures; a year of good runs would fill a disk.
    shutil.rmtree(target, ignore_errors=True)
