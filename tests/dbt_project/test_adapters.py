"""The adapters of the warehouses themselves make the SQL that the stand-ins make.

They need an environment of their own: `make test-warehouses`. Without them the stand-ins are all
there is, in `test_dialects.py`. No warehouse is asked anything here either.
"""

from __future__ import annotations

import re
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from dbt.adapters.base.plugin import AdapterPlugin
from dbt.cli.main import dbtRunner

from tests.dbt_project.building import CATALOG, ROOT, environment
from tests.dbt_project.dialects import DIALECTS, foreign_to
from tests.dbt_project.test_dialects import AS_OF, OURS, each_warehouse
from tests.dbt_project.warehouses import (
    Compiler,
    Warehouse,
    installed,
    unconnected,
    with_stand_ins,
)

# One parses the project and starts dbt for each of three warehouses.
pytestmark = pytest.mark.slow

# All that profiles.yml asks for. Who compiles needs no more than names.
SETTINGS = {
    "MAILMART_STARTED_AT": "2026-01-01T00:00:01Z",
    "MAILMART_SNOWFLAKE_ACCOUNT": "account",
    "MAILMART_SNOWFLAKE_USER": "user",
    "DBT_ENV_SECRET_MAILMART_SNOWFLAKE_PASSWORD": "not-a-password",
    "MAILMART_SNOWFLAKE_ROLE": "role",
    "MAILMART_SNOWFLAKE_WAREHOUSE": "compute",
    "MAILMART_SNOWFLAKE_DATABASE": CATALOG,
    "MAILMART_SNOWFLAKE_SCHEMA": "prod",
    "MAILMART_BIGQUERY_PROJECT": CATALOG,
    "MAILMART_BIGQUERY_DATASET": "prod",
    "MAILMART_DATABRICKS_HOST": "host.example",
    "MAILMART_DATABRICKS_HTTP_PATH": "/sql/1.0/warehouses/1",
    "DBT_ENV_SECRET_MAILMART_DATABRICKS_TOKEN": "not-a-token",
    "MAILMART_DATABRICKS_CATALOG": CATALOG,
    "MAILMART_DATABRICKS_SCHEMA": "prod",
}


def dbt(command: str, target: str, folder: Path) -> Any:
    """Run dbt with the profiles.yml of the project and return what came of it."""
    shutil.copy(ROOT / "profiles.yml", folder)
    result = dbtRunner().invoke(
        [
            *("--quiet", command, "--no-partial-parse", "--target", target),
            *("--project-dir", str(ROOT), "--profiles-dir", str(folder)),
            *("--target-path", str(folder / "target"), "--log-path", str(folder / "logs")),
        ]
    )
    failed = getattr(result.result, "results", [])
    assert result.success, result.exception or [
        f"{one.node.name}: {one.message}" for one in failed if one.status == "error"
    ]
    return result.result


def adapters_for(warehouse: Warehouse) -> dict[str, AdapterPlugin]:
    names = (warehouse.name, *warehouse.inherits)
    for name in names:
        pytest.importorskip(f"dbt.include.{name}", reason=f"dbt-{name} is not installed")
    return {name: unconnected(import_module(f"dbt.adapters.{name}").Plugin) for name in names}


@each_warehouse
def test_the_adapter_makes_the_sql_that_the_stand_in_makes(
    warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory
) -> None:
    adapters = adapters_for(warehouse)
    folder = tmp_path_factory.mktemp("adapter")
    with environment(**SETTINGS):
        with installed(adapters):
            manifest = dbt("parse", warehouse.name, folder)
        real = Compiler(manifest, warehouse.name, adapters, folder).compile(AS_OF)
        folder = tmp_path_factory.mktemp("stand_in")
        stand_ins = with_stand_ins(dbt("parse", "local", folder), warehouse, folder)
        expected = stand_ins.compile(AS_OF)

    assert words_of(dict(real.queries())) == words_of(dict(expected.queries()))
    dialect = DIALECTS[warehouse.name]
    assert [name for name, sql in real.queries() if foreign_to(dialect, sql, OURS)] == []


@each_warehouse
def test_a_first_build_is_told_in_types_of_the_warehouse(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    adapters = adapters_for(warehouse)
    with environment(**SETTINGS), installed(adapters):
        built = dbt("run", warehouse.name, tmp_path)

    statements = [sql.lower() for sql in adapters[warehouse.name].adapter.statements]
    assert {one.status for one in built.results} == {"success"}
    assert any("insert into" in sql and "unfinished_builds" in sql for sql in statements)
    foreign = {"varchar", "double", "json", "hugeint"} - DIALECTS[warehouse.name].types
    assert [sql for sql in statements if foreign & set(re.findall(r"\w+", sql))] == []


def words_of(queries: dict[str, str]) -> dict[str, list[str]]:
    return {name: sql.split() for name, sql in queries.items()}
