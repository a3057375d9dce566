"""The history of memberships depends on the builds, and on nothing that a build can undo.

Ada looks at a product on Saturday, Bo on Monday; both are potentially interested for a day.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.dbt_project.building import CATALOG, LOADED_AT, Project
from tests.oracle.raw import World
from tests.oracle.worlds import fill_raw

SATURDAY = datetime(2024, 6, 15, 12)  # noqa: DTZ001 - naive times are UTC here
MONDAY = SATURDAY + timedelta(days=2)
HOUR = timedelta(hours=1)
HISTORY = ("fct_segment_spells", "fct_segment_members")

Rows = list[tuple[Any, ...]]


class Shop:
    """A warehouse with two visitors, and what its builds have left in it."""

    def __init__(self, project: Project, folder: Path) -> None:
        self._project = project
        self._file = folder / f"{CATALOG}.duckdb"
        shutil.copy(project.seeded, self._file)
        views = [
            {"event_type": "product_view", "occurred_at": at - HOUR, "email": email}
            for at, email in ((SATURDAY, "ada@example.com"), (MONDAY, "bo@example.com"))
        ]
        with duckdb.connect(self._file) as connection:
            fill_raw(World(web_events=views), connection, LOADED_AT)

    def build(self, as_of: datetime) -> None:
        """Build all that memberships depend on, and their history."""
        select = ("--select", "+fct_segment_members")
        self._project.dbt("run", *select, warehouse=self._file, as_of=as_of)

    def build_history_alone(self, as_of: datetime, *options: str) -> None:
        """Build the history over memberships that are there already."""
        select = ("--select", *HISTORY)
        self._project.dbt("run", *options, *select, warehouse=self._file, as_of=as_of)

    def rows(self, query: str) -> Rows:
        with duckdb.connect(self._file, read_only=True) as connection:
            return connection.execute(query).fetchall()

    def spells(self) -> Rows:
        return self.rows(
            "select profiles.email, segment, entered_at, exited_at"
            " from marts.fct_segment_spells"
            " inner join marts.dim_profiles as profiles using (profile_id) order by all"
        )


@pytest.fixture(scope="module")
def shop(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop after its builds of Saturday and of Monday."""
    shop = Shop(project, tmp_path_factory.mktemp("shop"))
    shop.build(SATURDAY)
    shop.build(MONDAY)
    return shop


BOTH = [
    ("ada@example.com", "potentially_interested", SATURDAY, MONDAY),
    ("bo@example.com", "potentially_interested", MONDAY, None),
]


def test_each_build_records_who_entered_and_who_left(shop: Shop) -> None:
    assert shop.spells() == BOTH


def test_a_repeated_build_changes_nothing(shop: Shop) -> None:
    shop.build_history_alone(MONDAY)

    assert shop.spells() == BOTH


def test_a_full_refresh_keeps_the_history(shop: Shop) -> None:
    shop.build_history_alone(MONDAY, "--full-refresh")

    assert shop.spells() == BOTH


def test_a_build_of_an_earlier_instant_shows_its_members_and_leaves_the_history(shop: Shop) -> None:
    shop.build(SATURDAY)

    members = "select segment, entered_at from marts.fct_segment_members"
    spells = "select segment, entered_at, exited_at from marts.fct_segment_spells order by all"
    assert shop.rows(members) == [("potentially_interested", SATURDAY)]
    assert shop.rows(spells) == [row[1:] for row in BOTH]
