"""The models against a second, independent reading of the definitions, row for row.

A world goes the whole way: written as files of every format, loaded by the loader, and built.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dbt_project.building import Project, landing_of, load_landing
from tests.dbt_project.conftest import BuiltWarehouse
from tests.oracle.compare import differences
from tests.oracle.worlds import random_world

QUICK = range(100, 122)
MANY = range(1000, 1100)


def differences_of(project: Project, seed: int, folder: Path) -> list[str]:
    """Return where the build of one random world is not what the definitions say."""
    world, as_of = random_world(seed)
    with project.world() as connection:
        load_landing(connection, landing_of(world, folder, seed))
        project.build(connection, as_of)
        return differences(connection, world, as_of)


@pytest.mark.parametrize("seed", QUICK)
def test_random_worlds_are_built_as_defined(project: Project, seed: int, tmp_path: Path) -> None:
    assert differences_of(project, seed, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY)
def test_many_random_worlds_are_built_as_defined(
    project: Project, seed: int, tmp_path: Path
) -> None:
    assert differences_of(project, seed, tmp_path) == []


@pytest.mark.slow
@given(seed=st.integers(min_value=10_000, max_value=2**32))
@settings(
    max_examples=25,
    deadline=None,
    # The project is parsed once and never changed; each example has a folder of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_random_world_is_built_as_defined(
    project: Project, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert differences_of(project, seed, tmp_path_factory.mktemp("world")) == []


def test_a_world_that_dbt_itself_has_built_is_as_defined(
    built: BuiltWarehouse, connection: duckdb.DuckDBPyConnection
) -> None:
    assert differences(connection, built.world, built.as_of) == []
