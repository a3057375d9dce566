"""The marts depend on the raw rows alone: not on their order, their files or an earlier build."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.dbt_project.building import Project, landing_of, load_landing
from tests.oracle.worlds import random_world

SEEDS = (302, 303)


def public_rows(
    project: Project, connection: duckdb.DuckDBPyConnection
) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all marts and of what the destinations get, ids included."""
    return {
        relation: connection.execute(f"select * from {relation} order by all").fetchall()
        for relation in (
            f"{model.schema}.{model.alias}"
            for name, model in sorted(project.models.items())
            # When it was built is what this one is about.
            if model.schema in ("marts", "sync") and name != "fct_builds"
        )
    }


def alike(one: Any, other: Any) -> bool:
    """Tell whether two values are the same; of sums of fractions the last bit depends on order."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12)
    return bool(one == other)


def assert_same(
    one: dict[str, list[tuple[Any, ...]]], other: dict[str, list[tuple[Any, ...]]]
) -> None:
    for relation, rows in one.items():
        assert len(rows) == len(other[relation]), relation
        for row, other_row in zip(rows, other[relation], strict=True):
            assert all(map(alike, row, other_row)), (relation, row, other_row)


@pytest.mark.parametrize("seed", SEEDS)
def test_another_order_and_every_file_twice_give_the_same_marts(
    project: Project, seed: int, tmp_path: Path
) -> None:
    world, as_of = random_world(seed)
    built = []
    for folder, shuffling in (("one", 1), ("other", 2)):
        landing = landing_of(world, tmp_path / folder, shuffling)
        if folder == "other":
            for file in [path for path in landing.rglob("*") if path.is_file()]:
                shutil.copy(file, file.with_name(f"again-{file.name}"))
        with project.world() as connection:
            load_landing(connection, landing)
            project.build(connection, as_of)
            built.append(public_rows(project, connection))
    one, other = built

    # A row that came twice is left out twice.
    left_out = one.pop("marts.fct_quarantined_rows")
    assert sorted([*left_out, *left_out]) == sorted(other.pop("marts.fct_quarantined_rows"))
    assert any(one.values())
    assert_same(one, other)


def test_a_rebuild_gives_the_same_rows(project: Project, tmp_path: Path) -> None:
    world, as_of = random_world(SEEDS[0])
    with project.world() as connection:
        load_landing(connection, landing_of(world, tmp_path, seed=1))
        project.build(connection, as_of)
        first = public_rows(project, connection)
        project.build(connection, as_of)

        assert public_rows(project, connection) == first


def test_an_id_needs_the_key(project: Project, tmp_path: Path) -> None:
    """Without the key, or with another one, everybody would be somebody else."""
    world, as_of = random_world(SEEDS[0])
    with project.world() as connection:
        load_landing(connection, landing_of(world, tmp_path, seed=1))

        def ids() -> set[str]:
            project.build(connection, as_of, wanted=("int_profiles__resolved",))
            query = "select profile_id from intermediate.int_profiles__resolved"
            return {profile_id for (profile_id,) in connection.execute(query).fetchall()}

        with_the_key = ids()
        connection.execute("set variable mailmart_profile_key = 'another'")
        assert with_the_key
        assert not with_the_key & ids()

        connection.execute("reset variable mailmart_profile_key")
        with pytest.raises(AssertionError, match="key of the profile ids is not set"):
            ids()
