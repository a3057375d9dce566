"""A rule that somebody wrote wrong is named, with the database's words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from orchestration.rules import find_pattern_mistakes, find_segment_mistakes

TIERS = {"name": "readers", "rule": "engagement_tier = 'highly_engaged'"}


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """Ada's signals."""
    with duckdb.connect() as connection:
        connection.execute(
            "create schema marts; create table marts.profile_signals as "
            "select 'ada@shop.example' as first_name, 'highly_engaged' as engagement_tier"
        )
        yield connection


def find(warehouse: duckdb.DuckDBPyConnection, **segment: str) -> list[str]:
    return list(find_segment_mistakes(warehouse, [TIERS, {"name": "new_one", **segment}]))


def test_good_rules_are_no_mistakes(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert find(warehouse, rule="true -- everybody", attribute="first_name") == []


def test_a_misspelt_column_is_named_with_its_segment(warehouse: duckdb.DuckDBPyConnection) -> None:
    (mistake,) = find(warehouse, rule="opn_probability >= 0.5")

    assert mistake.startswith("dbt_project.yml: the rule of the segment new_one does not work: ")
    assert '"opn_probability" not found' in mistake
    assert mistake.endswith("it is 'opn_probability >= 0.5'")


def test_an_attribute_is_tried_too(warehouse: duckdb.DuckDBPyConnection) -> None:
    (mistake,) = find(warehouse, rule="true", attribute="max(")

    assert "the attribute of the segment new_one" in mistake


def test_a_rule_that_fails_on_somebodys_data_says_so_without_the_data(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    (mistake,) = find(warehouse, rule="first_name::integer > 1")

    assert "Conversion Error" in mistake
    assert "ada@" not in mistake


def test_before_anything_was_built_nothing_is_known() -> None:
    with duckdb.connect() as connection:
        assert list(find_segment_mistakes(connection, [{"name": "x", "rule": "nonsense"}])) == []


def test_a_bad_pattern_is_named_with_its_line(tmp_path: Path) -> None:
    seed = tmp_path / "machine_user_agents.csv"
    seed.write_text('pattern,kind,reason\n"bot|spider",scanner,x\n"(bot",scanner,y\n', "utf-8")

    (mistake,) = find_pattern_mistakes(seed)

    assert mistake.startswith(
        "the seed machine_user_agents.csv, line 3: the pattern '(bot' is no regular expression: "
    )
    assert "missing )" in mistake
