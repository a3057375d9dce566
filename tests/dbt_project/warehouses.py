"""Compile the project for Snowflake, BigQuery and Databricks, without their adapters.

The adapters and the clients that they need are hundreds of megabytes. What `dbt compile` asks of
one is little: which implementation of a macro is meant, how names are quoted, what a type is
called. A stand-in answers that, records each statement that a hook would run, and opens no
connection. `test_adapters.py` holds the stand-ins against the adapters themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
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

from tests.dbt_project.building import CATALOG, ROOT, environment

# Naive times are UTC here.


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
SOME_TIME = datetime(2025, 12, 31)  # noqa: DTZ001 - naive times are UTC here


@dataclass(frozen=True)
class Compiled:
    """What dbt would send to a warehouse."""

    models: dict[str, str]
    """The query of each model, by its name, where a build goes on from an earlier one; where the
    first is another, it too, and its name then ends in `(first)`."""
    tests: dict[str, str]
    """The query of each data test."""
    hooks: tuple[str, ...]
    """Statements of on-run-start and of the models' own hooks."""

    def queries(self) -> Iterator[tuple[str, str]]:
        """Yield all of them, each with a name."""
        yield from self.models.items()
        yield from self.tests.items()
        yield from ((f"hook {number}", sql) for number, sql in enumerate(self.hooks, 1))


class _Unconnected:
    """What an adapter would ask its warehouse, and what it would tell it: nothing goes out."""

    statements: ClassVar[list[str]]
    is_built: ClassVar[bool]

    def get_relation(self, database: str, schema: str, identifier: str, **_: Any) -> Any:
        if not self.is_built:
            return None
        relation: Any = self.Relation  # type: ignore[attr-defined]
        return relation.create(
            database=database, schema=schema, identifier=identifier, type="table"
        )

    def create_schema(self, relation: Any) -> None:
        self.statements.append(f"create schema if not exists {relation.without_identifier()}")

    def list_schemas(self, *_: Any) -> list[str]:
        return []

    def list_relations_without_caching(self, *_: Any) -> list[Any]:
        return []

    def get_columns_in_relation(self, *_: Any) -> list[Any]:
        return []

    def get_column_schema_from_query(self, sql: str, *_: Any) -> list[Any]:
        self.statements.append(sql)
        return []

    def cache_added(self, *_: Any) -> str:
        return ""

    def execute(self, sql: str, *_: Any, **__: Any) -> tuple[AdapterResponse, agate.Table]:
        self.statements.append(sql)
        # Asked for is when something was, or how many there are of it: of builds to go on from.
        if any(instant in sql for instant in ("select as_of from", "min(loaded_minute)")):
            answer, kind = SOME_TIME, agate.DateTime()
        else:
            answer, kind = int(self.is_built), agate.Number()
        return AdapterResponse("OK"), agate.Table([[answer]], ["answer"], [kind])


class _ClosedLine:
    """What stands for the client of a warehouse: it can be hung up, and nothing else."""

    def close(self) -> None:
        pass


def unconnected(plugin: AdapterPlugin) -> AdapterPlugin:
    """Return an adapter as it is, but for its line to the warehouse."""

    def leave_closed(_: Any, connection: Any) -> Any:
        connection.handle = _ClosedLine()
        return connection

    manager: Any = plugin.adapter.ConnectionManager  # type: ignore[attr-defined]
    kept = {
        "ConnectionManager": type("Connections", (manager,), {"open": classmethod(leave_closed)}),
        "statements": [],
        "is_built": False,
    }
    adapter = type(plugin.adapter.__name__, (_Unconnected, plugin.adapter), kept)
    return AdapterPlugin(
        adapter=adapter,
        credentials=plugin.credentials,
        include_path=plugin.include_path,
        dependencies=plugin.dependencies,
    )


def stand_in_for(warehouse: Warehouse, folder: Path) -> AdapterPlugin:
    """Return an adapter that names and quotes as that of the warehouse does, and has no macros."""
    includes = folder / f"include_{warehouse.name}"
    includes.mkdir(exist_ok=True)
    (includes / "dbt_project.yml").write_text(
        f"name: dbt_{warehouse.name}\nversion: 1.0.0\nconfig-version: 2\n", encoding="utf-8"
    )

    def quoted(_: Any, name: str) -> str:
        quote = warehouse.quote if warehouse.quotes_relations else ""
        return f"{quote}{name}{quote}"

    adapter = type(
        "StandIn",
        (DuckDBAdapter,),
        {
            "ConnectionManager": type(
                "Connections", (DuckDBConnectionManager,), {"TYPE": warehouse.name}
            ),
            "Column": type("Column", (DuckDBColumn,), {"TYPE_LABELS": warehouse.types}),
            "Relation": type("Relation", (DuckDBRelation,), {"quoted": quoted}),
            "quote": lambda _, name: f"{warehouse.quote}{name}{warehouse.quote}",
        },
    )
    credentials = type(
        "Credentials", (DuckDBCredentials,), {"type": property(lambda _: warehouse.name)}
    )
    return unconnected(
        AdapterPlugin(
            adapter=adapter,
            credentials=credentials,
            include_path=str(includes),
            dependencies=list(warehouse.inherits),
        )
    )


@contextmanager
def installed(plugins: Mapping[str, AdapterPlugin]) -> Iterator[None]:
    """Let dbt find these where it looks for adapters, for a while."""
    modules, known = dict(sys.modules), (dict(FACTORY.plugins), dict(FACTORY.packages))
    replaced = {}
    for name, plugin in plugins.items():
        package: Any = sys.modules.get(f"dbt.adapters.{name}")
        if package is None:
            package, about = (
                ModuleType(f"dbt.adapters.{name}{part}") for part in ("", ".__about__")
            )
            about.version = "1.11.0"  # type: ignore[attr-defined]
            sys.modules |= {package.__name__: package, about.__name__: about}
        replaced[package] = vars(package).get("Plugin")
        package.Plugin = plugin
    try:
        yield
    finally:
        for package, before in replaced.items():
            package.Plugin = before
        for module in set(sys.modules) - set(modules):
            if module.startswith(tuple(f"dbt.adapters.{name}" for name in plugins)):
                del sys.modules[module]
        FACTORY.adapters.clear()
        FACTORY.plugins, FACTORY.packages = known


class Compiler:
    """Compiles one reading of the project for one warehouse."""

    def __init__(
        self, manifest: Any, target: str, plugins: Mapping[str, AdapterPlugin], profiles: Path
    ) -> None:
        """Keep what dbt has read of the project, and the folder with a profiles.yml."""
        self._manifest = manifest
        self._target = target
        self._plugins = plugins
        self._profiles = profiles

    def compile(self, as_of: datetime) -> Compiled:
        """Return all SQL of the project as the warehouse would get it."""
        adapter: Any = self._plugins[self._target].adapter
        with installed(self._plugins):
            first = self._compile(as_of)
            hooks = list(adapter.statements)
            adapter.is_built = True
            later = self._compile(as_of, "--select", "resource_type:model")
            adapter.is_built = False
            own_hooks = self._compile(as_of, "--inline", ";".join(self._hooks_of_models()))
        models = {node.name: node.compiled_code for node in first if node.resource_type == "model"}
        for node in later:
            if node.resource_type == "model" and node.compiled_code != models[node.name]:
                models[f"{node.name} (first)"] = models[node.name]
                models[node.name] = node.compiled_code
        return Compiled(
            models=models,
            tests={node.name: node.compiled_code for node in first if node.resource_type == "test"},
            hooks=(
                *hooks,
                *(sql for one in own_hooks for sql in one.compiled_code.split(";") if sql.strip()),
            ),
        )

    def compile_models(self, as_of: datetime, *names: str) -> dict[str, str]:
        """Return the query of some models, by name."""
        with installed(self._plugins):
            nodes = self._compile(as_of, "--select", *names)
        return {node.name: node.compiled_code for node in nodes if node.name in names}

    def _hooks_of_models(self) -> Iterator[str]:
        for node in self._manifest.nodes.values():
            for hook in (*node.config.get("pre_hook", ()), *node.config.get("post_hook", ())):
                yield hook.sql.replace("{{ this }}", f"{{{{ ref('{node.name}') }}}}")

    def _compile(self, as_of: datetime, *arguments: str) -> Sequence[Any]:
        with environment(MAILMART_AS_OF=as_of.isoformat()):
            result = dbtRunner(manifest=self._manifest).invoke(
                [
                    "--quiet",
                    "compile",
                    *arguments,
                    *("--target", self._target),
                    *("--no-populate-cache", "--no-introspect"),
                    *("--project-dir", str(ROOT)),
                    *("--profiles-dir", str(self._profiles)),
                    *("--target-path", str(self._profiles / "target")),
                    *("--log-path", str(self._profiles / "logs")),
                ]
            )
        assert result.success, result.exception or [
            f"{one.node.name}: {one.message}" for one in result.result if one.status == "error"
        ]
        return [one.node for one in result.result.results]


def with_stand_ins(manifest: Any, warehouse: Warehouse, folder: Path) -> Compiler:
    """Return a compiler that needs no adapter installed, with its traces in a folder."""
    plugins = {one.name: stand_in_for(one, folder) for one in (warehouse, _SPARK)}
    (folder / "profiles.yml").write_text(
        f"mailmart: {{outputs: {{{warehouse.name}: {{type: {warehouse.name}, schema: prod,"
        f" path: '{folder}/{CATALOG}.duckdb'}}}}}}\n",
        encoding="utf-8",
    )
    return Compiler(manifest, warehouse.name, plugins, folder)
