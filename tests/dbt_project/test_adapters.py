"""The adapters of the warehouses themselves make the SQL that the stand-ins make.

They need an environment of their own: `make test-warehouses`. Without them the stand-ins are all
there is, in `test_dialects.py`. No warehouse is asked anything here either.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
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


def read_project(target: str, profiles: Path) -> Any:
    result = dbtRunner().invoke(
        [
            *("--quiet", "parse", "--no-partial-parse", "--target", target),
            *("--project-dir", str(ROOT), "--profiles-dir", str(profiles)),
            *("--target-path", str(profiles / "target"), "--log-path", str(profiles / "logs")),
        ]
    )
    assert result.success, result.exception
    return result.result


def with_the_adapter(warehouse: Warehouse, folder: Path) -> Compiler:
    plugins = {}
    for name in (warehouse.name, *warehouse.inherits):
        pytest.importorskip(f"dbt.include.{name}", reason=f"dbt-{name} is not installed")
        plugins[name] = unconnected(import_module(f"dbt.adapters.{name}").Plugin)
    shutil.copy(ROOT / "profiles.yml", folder)
    with installed(plugins):
        manifest = read_project(warehouse.name, folder)
    return Compiler(manifest, warehouse.name, plugins, folder)


@each_warehouse
def test_the_adapter_makes_the_sql_that_the_stand_in_makes(
    warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with environment(**SETTINGS):
        real = with_the_adapter(warehouse, tmp_path_factory.mktemp("adapter")).compile(AS_OF)
        folder = tmp_path_factory.mktemp("stand_in")
        shutil.copy(ROOT / "profiles.yml", folder)
        manifest = read_project("local", folder)
        stand_in = with_stand_ins(manifest, warehouse, folder).compile(AS_OF)

    assert words_of(dict(real.queries())) == words_of(dict(stand_in.queries()))
    dialect = DIALECTS[warehouse.name]
    assert [name for name, sql in real.queries() if foreign_to(dialect, sql, OURS)] == []


def words_of(queries: dict[str, str]) -> dict[str, list[str]]:
    return {name: sql.split() for name, sql in queries.items()}
