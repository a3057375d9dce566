"""Compile the project for Snowflake, BigQuery and Databricks, without their adapters.

The adapters and the clients that they need are hundreds of megabytes. What `dbt compile` asks of
one is little: which implementation of a macro is meant, how names are quoted, what a type is
called. A stand-in answers that, records each statement that a hook would run, and opens no
connection. `test_adapters.py` holds the stand-ins against the adapters themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import agate
from dbt.adapters.base.plugin import AdapterPlugin
from dbt.adapters.contracts.connection import AdapterResponse
from dbt.adapters.duckdb.column import DuckDBColumn
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.impl import DuckDBAdapter
from dbt.adapters.duckdb.relation import DuckDBRelation
from dbt.adapters.factory import FACTORY
from dbt.cli.main import dbtRunner

from tests.dbt_project.building import ROOT, environment


@dataclass(frozen=True)
class Warehouse:
    """What tells the SQL of one warehouse from another's, as far as `dbt compile` is concerned."""

    name: str
    """The name of the adapter, and of the target in profiles.yml."""
    quote: str
    types: dict[str, str]
    """What the adapter makes of dbt's own names of types."""
    inherits: tuple[str, ...] = ()
    """Adapters whose macros are taken where the warehouse has none of its own."""
    quotes_relations: bool = True


WAREHOUSES = (
    Warehouse("snowflake", '"', {"STRING": "TEXT"}, quotes_relations=False),
    Warehouse("bigquery", "`", {"TEXT": "STRING", "FLOAT": "FLOAT64", "INTEGER": "INT64"}),
    Warehouse("databricks", "`", {"LONG": "bigint"}, inherits=("spark",)),
)
_SPARK = Warehouse("spark", "`", {})


@dataclass(frozen=True)
class Compiled:
    """What dbt would send to a warehouse."""

    models: dict[str, str]
    """The query of each model, by its name; of an incremental one that has been built as well as
    the first, whose name then ends in `(first)`."""
    tests: dict[str, str]
    """The query of each data test."""
    hooks: tuple[str, ...]
    """Statements of on-run-start and of the models' own hooks."""

    def queries(self) -> Iterator[tuple[str, str]]:
        """Yield all of them, each with a name."""
        yield from self.models.items()
        yield from self.tests.items()
        yield from ((f"hook {number}", sql) for number, sql in enumerate(self.hooks, 1))


class _StandIn(DuckDBAdapter):  # type: ignore[misc]
    """An adapter that is asked for SQL only."""

    warehouse: ClassVar[Warehouse]
    statements: ClassVar[list[str]]
    is_built: ClassVar[bool]

    @classmethod
    def quote(cls, identifier: str) -> str:
        return f"{cls.warehouse.quote}{identifier}{cls.warehouse.quote}"

    def get_relation(self, database: str, schema: str, identifier: str) -> Any:
        if not self.is_built:
            return None
        return self.Relation.create(
            database=database, schema=schema, identifier=identifier, type="table"
        )

    def create_schema(self, relation: Any) -> None:
        self.statements.append(f"create schema if not exists {relation.without_identifier()}")

    def cache_added(self, relation: Any) -> str:
        return ""

    def execute(
        self, sql: str, auto_begin: bool = False, fetch: bool = False, limit: int | None = None
    ) -> tuple[AdapterResponse, agate.Table]:
        self.statements.append(sql)
        return AdapterResponse("OK"), agate.Table([])


def _stand_in_for(warehouse: Warehouse, folder: Path) -> AdapterPlugin:
    """Return what dbt looks for in the package of an adapter."""
    includes = folder / f"include_{warehouse.name}"
    includes.mkdir(exist_ok=True)
    (includes / "dbt_project.yml").write_text(
        f"name: dbt_{warehouse.name}\nversion: 1.0.0\nconfig-version: 2\n", encoding="utf-8"
    )
    manager = type("Connections", (DuckDBConnectionManager,), {"TYPE": warehouse.name})
    credentials = type(
        "Credentials", (DuckDBCredentials,), {"type": property(lambda _: warehouse.name)}
    )
    column = type("Column", (DuckDBColumn,), {"TYPE_LABELS": warehouse.types})
    quote = warehouse.quote if warehouse.quotes_relations else ""
    relation = type(
        "Relation", (DuckDBRelation,), {"quoted": lambda _, name: f"{quote}{name}{quote}"}
    )
    adapter = type(
        "Adapter",
        (_StandIn,),
        {
            "ConnectionManager": manager,
            "Relation": relation,
            "Column": column,
            "warehouse": warehouse,
            "statements": [],
            "is_built": False,
        },
    )
    return AdapterPlugin(
        adapter=adapter,
        credentials=credentials,
        include_path=str(includes),
        dependencies=list(warehouse.inherits),
    )


@contextmanager
def _stand_ins(folder: Path) -> Iterator[dict[str, AdapterPlugin]]:
    """Let dbt find the stand-ins where it looks for adapters, for a while."""
    stand_ins = {one.name: _stand_in_for(one, folder) for one in (*WAREHOUSES, _SPARK)}
    before = dict(sys.modules)
    plugins, packages = dict(FACTORY.plugins), dict(FACTORY.packages)
    for name, plugin in stand_ins.items():
        package = ModuleType(f"dbt.adapters.{name}")
        package.Plugin = plugin  # type: ignore[attr-defined]
        about = ModuleType(f"dbt.adapters.{name}.__about__")
        about.version = "1.11.0"  # type: ignore[attr-defined]
        sys.modules |= {package.__name__: package, about.__name__: about}
    try:
        yield stand_ins
    finally:
        for name in stand_ins:
            for module in (f"dbt.adapters.{name}", f"dbt.adapters.{name}.__about__"):
                sys.modules.pop(module)
                if module in before:
                    sys.modules[module] = before[module]
        FACTORY.adapters.clear()
        FACTORY.plugins, FACTORY.packages = plugins, packages


class Compiler:
    """Compiles one reading of the project for any of the warehouses."""

    def __init__(self, manifest: Any, folder: Path) -> None:
        """Keep what dbt has read of the project, and a folder for the traces of compiling."""
        self._manifest = manifest
        self._folder = folder
        targets = "".join(
            f"    {one.name}: {{type: {one.name}, path: ':memory:', schema: prod}}\n"
            for one in WAREHOUSES
        )
        (folder / "profiles.yml").write_text(f"mailmart:\n  outputs:\n{targets}", encoding="utf-8")

    def compile(self, warehouse: Warehouse, as_of: datetime) -> Compiled:
        """Return all SQL of the project as the warehouse would get it."""
        with _stand_ins(self._folder) as stand_ins:
            adapter: Any = stand_ins[warehouse.name].adapter
            first = self._compile(warehouse, as_of)
            hooks = list(adapter.statements)
            adapter.is_built = True
            later = self._compile(warehouse, as_of, "--select", "config.materialized:incremental")
            own_hooks = self._compile_inline(warehouse, as_of, self._hooks_of_models())
        models = {node.name: node.compiled_code for node in first if node.resource_type == "model"}
        for node in later:
            if node.resource_type == "model" and node.compiled_code != models[node.name]:
                models[f"{node.name} (first)"] = models[node.name]
                models[node.name] = node.compiled_code
        return Compiled(
            models=models,
            tests={node.name: node.compiled_code for node in first if node.resource_type == "test"},
            hooks=(*hooks, *own_hooks),
        )

    def compile_models(self, warehouse: Warehouse, as_of: datetime, *names: str) -> dict[str, str]:
        """Return the query of some models, by name."""
        with _stand_ins(self._folder):
            nodes = self._compile(warehouse, as_of, "--select", *names)
        return {node.name: node.compiled_code for node in nodes if node.name in names}

    def _hooks_of_models(self) -> Iterator[str]:
        for node in self._manifest.nodes.values():
            for hook in (*node.config.get("pre_hook", ()), *node.config.get("post_hook", ())):
                yield hook.sql.replace("{{ this }}", f"{{{{ ref('{node.name}') }}}}")

    def _compile_inline(
        self, warehouse: Warehouse, as_of: datetime, templates: Iterator[str]
    ) -> Sequence[str]:
        (node,) = self._compile(warehouse, as_of, "--inline", ";".join(templates))
        return [sql for sql in node.compiled_code.split(";") if sql.strip()]

    def _compile(self, warehouse: Warehouse, as_of: datetime, *arguments: str) -> list[Any]:
        with environment(MAILMART_AS_OF=as_of.isoformat()):
            result = dbtRunner(manifest=self._manifest).invoke(
                [
                    "--quiet",
                    "compile",
                    *arguments,
                    *("--target", warehouse.name),
                    *("--no-populate-cache", "--no-introspect"),
                    *("--project-dir", str(ROOT)),
                    *("--profiles-dir", str(self._folder)),
                    *("--target-path", str(self._folder / "target")),
                    *("--log-path", str(self._folder / "logs")),
                ]
            )
        assert result.success, result.exception or [
            f"{one.node.name}: {one.message}" for one in result.result if one.status == "error"
        ]
        return [one.node for one in result.result.results]
