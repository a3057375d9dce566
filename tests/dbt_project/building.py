"""Build the models as often as a test needs, without paying for dbt each time.

Small random worlds are many, and an invocation of dbt takes seconds. So dbt compiles the project
once per `as_of`, and its SQL is run in the order of the refs on a DuckDB per world. What only dbt
itself does (incremental builds, hooks, tests) is tested with `dbt`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from ingestion.contract import SCHEMA as RAW_SCHEMA
from ingestion.loader import load
from tests.oracle.raw import World
from tests.oracle.worlds import write_landing

ROOT = Path(__file__).resolve().parents[2]
LOADED_AT = datetime(2026, 1, 1)  # noqa: DTZ001 - naive times are UTC here
PROFILE_KEY = "a key for tests"
CATALOG = "warehouse"
"""DuckDB names a catalog after its file; compiled SQL carries the name."""


@contextmanager
def environment(**settings: str) -> Iterator[None]:
    """Set variables of the environment, which is where dbt reads them, for a while."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass(frozen=True)
class Statement:
    """The making of one relation."""

    model: str
    parents: frozenset[str]
    create: str


class Project:
    """The dbt project, parsed once, and the folder where it leaves its traces."""

    def __init__(self, folder: Path) -> None:
        """Parse the project at the root and build its seeds and empty sources in `folder`."""
        self._folder = folder
        self.manifest: Any = None
        """All that dbt has read, by its own names."""
        self._statements: dict[datetime, list[Statement]] = {}
        self.manifest = self.dbt("parse", "--no-partial-parse", warehouse=self.seeded).result
        self.dbt("seed", warehouse=self.seeded)
        with duckdb.connect(self.seeded) as connection:
            # The loader makes these itself, and wants no others in their place.
            connection.execute(f'drop schema "{RAW_SCHEMA}" cascade')

    @property
    def seeded(self) -> Path:
        """Return a warehouse with nothing but the seeds, and sources that nobody has filled."""
        return self._folder / f"{CATALOG}.duckdb"

    @property
    def models(self) -> Mapping[str, Any]:
        """Return the models as dbt has read them, by name."""
        return self._nodes("model")

    @property
    def seeds(self) -> Mapping[str, Any]:
        """Return the seeds as dbt has read them, by name."""
        return self._nodes("seed")

    @property
    def raw_sources(self) -> Mapping[str, Any]:
        """Return the raw tables as the yml describes them, by name."""
        sources = self.manifest.sources.values()
        return {source.name: source for source in sources if source.schema == RAW_SCHEMA}

    def _nodes(self, resource_type: str) -> Mapping[str, Any]:
        nodes = self.manifest.nodes.values()
        return {node.name: node for node in nodes if node.resource_type == resource_type}

    def dbt(self, *arguments: str, warehouse: Path, as_of: datetime | None = None) -> Any:
        """Run dbt in this process, and return its result; raise where it fails."""
        as_of_text = "" if as_of is None else as_of.isoformat()
        with environment(
            MAILMART_WAREHOUSE=str(warehouse),
            MAILMART_AS_OF=as_of_text,
            MAILMART_PROFILE_KEY=PROFILE_KEY,
        ):
            result = dbtRunner(manifest=self.manifest).invoke(
                [
                    "--quiet",
                    *arguments,
                    *("--project-dir", str(ROOT)),
                    *("--profiles-dir", str(ROOT)),
                    *("--target-path", str(self._folder / "target")),
                    *("--log-path", str(self._folder / "logs")),
                ]
            )
            # It keeps the file open until then, and what is in it is not all in the file.
            DuckDBConnectionManager.close_all_connections()
        failures = [
            f"{one.node.name}: {one.status}: {one.message}"
            for one in getattr(result.result, "results", [])
            if one.status in ("error", "fail")
        ]
        assert result.success, "\n".join(failures) or result.exception
        return result

    def statements(self, as_of: datetime) -> Sequence[Statement]:
        """Return the SQL of all models at `as_of`, each after those that it reads."""
        if as_of not in self._statements:
            only_models = ("--select", "resource_type:model", "--indirect-selection", "empty")
            compiled = self.dbt("compile", *only_models, warehouse=self.seeded, as_of=as_of)
            statements = [making_of(one.node) for one in compiled.result.results]
            models = {statement.model: statement for statement in statements}
            order = TopologicalSorter({s.model: s.parents & set(models) for s in statements})
            self._statements[as_of] = [models[name] for name in order.static_order()]
        return self._statements[as_of]

    def build(
        self,
        connection: duckdb.DuckDBPyConnection,
        as_of: datetime,
        wanted: Collection[str] = (),
        given: Collection[str] = (),
    ) -> None:
        """Make the relations of a world whose raw tables are filled.

        With `wanted`, those models and what they read; `given` are relations that the test has
        made itself.
        """
        statements = self.statements(as_of)
        needed = set(wanted) or {statement.model for statement in statements}
        for statement in reversed(statements):
            if statement.model in needed:
                needed |= statement.parents
        for statement in statements:
            if statement.model not in needed - set(given):
                continue
            try:
                connection.execute(statement.create)
            except duckdb.Error as error:
                raise AssertionError(f"{statement.model}: {error}") from error

    @contextmanager
    def world(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a warehouse in memory that holds the seeds."""
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"attach ':memory:' as {CATALOG}")
            connection.execute(f"attach '{self.seeded}' as seeded (read_only)")
            connection.execute(f"copy from database seeded to {CATALOG}")
            connection.execute("detach seeded")
            connection.execute(f"use {CATALOG}")
            connection.execute("set variable mailmart_profile_key = ?", [PROFILE_KEY])
            for schema in sorted({node.schema for node in self.models.values()}):
                connection.execute(f"create schema if not exists {schema}")
            yield connection


def making_of(node: Any) -> Statement:
    """Return how dbt makes a model that does not exist yet: the types of a contract are kept."""
    relation = f'"{CATALOG}"."{node.schema}"."{node.alias}"'
    if node.config.materialized == "view":
        create = f"create or replace view {relation} as ({node.compiled_code})"
    elif node.config.contract.enforced:
        columns = ", ".join(f'"{c.name}" {c.data_type}' for c in node.columns.values())
        names = ", ".join(f'"{name}"' for name in node.columns)
        create = (
            f"create or replace table {relation} ({columns});"
            f" insert into {relation} ({names}) select {names} from ({node.compiled_code})"
        )
    else:
        create = f"create or replace table {relation} as ({node.compiled_code})"
    parents = frozenset(name.rpartition(".")[2] for name in node.depends_on.nodes)
    return Statement(node.name, parents, create)


def landing_of(world: World, folder: Path, seed: int) -> Path:
    """Write a world as a landing folder, over files of every format, and return the folder."""
    write_landing(world, folder, random.Random(seed))
    return folder


def load_landing(connection: duckdb.DuckDBPyConnection, landing: Path) -> None:
    """Load a landing folder; every row of it must be usable."""
    report = load(connection, landing, LOADED_AT)
    assert report.problems == ()
    rejected = connection.execute(f'select * from "{RAW_SCHEMA}".rejected_rows').fetchall()
    assert rejected == []
