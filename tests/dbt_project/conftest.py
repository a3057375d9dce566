"""The project, parsed once; worlds are built from it as each test needs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from tests.dbt_project.building import CATALOG, Project, landing_of, load_landing
from tests.oracle.raw import World
from tests.oracle.worlds import random_world


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The dbt project at the root, parsed, with its seeds."""
    return Project(tmp_path_factory.mktemp("dbt"))


@dataclass(frozen=True)
class BuiltWarehouse:
    """A warehouse that dbt itself has built, with its data tests, from a world."""

    file: Path
    world: World
    as_of: datetime


@pytest.fixture(scope="session")
def built(project: Project, tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    """A random world in a warehouse of its own, for tests that only read it."""
    folder = tmp_path_factory.mktemp("built")
    world, as_of = random_world(11)
    warehouse = folder / f"{CATALOG}.duckdb"
    with duckdb.connect(warehouse) as connection:
        load_landing(connection, landing_of(world, folder / "landing", seed=11))
    project.dbt("build", "--exclude-resource-type", "unit_test", warehouse=warehouse, as_of=as_of)
    return BuiltWarehouse(warehouse, world, as_of)


@pytest.fixture
def connection(built: BuiltWarehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    """Read the built warehouse."""
    with duckdb.connect(built.file, read_only=True) as opened:
        yield opened
