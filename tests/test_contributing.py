"""CONTRIBUTING.md works: a newcomer who follows the steps to the letter gets there.

What the page says to change is changed in a checkout of its own, and what it says to type is typed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from ingestion.loader import load
from tests.orchestration.checkout import PROGRAMS, ROOT, Checkout, Place

PAGE = ROOT / "CONTRIBUTING.md"
SECTIONS = ("A segment", "An expectation", "A feature", "A source", "A destination")
TUESDAY = datetime(2026, 3, 3, 6)  # noqa: DTZ001 - naive times are UTC here


class Step(NamedTuple):
    """One of the five steps: which file it is about, and its blocks with their languages."""

    file: str | None
    blocks: list[tuple[str, str]]


def section(title: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return str(found)


def steps(title: str) -> list[Step]:
    parts = re.split(r"^\*\*\d\. ", section(title), flags=re.MULTILINE)[1:]
    return [
        Step(
            next((f for f in re.findall(r"`([^`\s]+)`", part) if (ROOT / f).is_file()), None),
            re.findall(r"^```(\w+)\n(.*?)^```$", part, re.MULTILINE | re.DOTALL),
        )
        for part in parts
    ]


def change(file: Path, diff: str) -> None:
    """Put the lines with a + where those without one say."""
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] if line.strip() else line for line in lines if line[0] != "+")
    new = "".join(line[1:] if line.strip() else line for line in lines)
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file.name} has {text.count(old)} places for:\n{diff}"
    file.write_text(text.replace(old, new), encoding="utf-8")


def follow(title: str, checkout: Checkout, **settings: str) -> str:
    """Do every step of a section in a checkout and return all that was said."""
    said = []
    for step in steps(title):
        for language, block in step.blocks:
            if language == "diff":
                assert step.file is not None
                change(checkout.root / step.file, block)
                continue
            environment = checkout.environment | settings
            ended = subprocess.run(
                ["bash", "-euc", block],
                cwd=checkout.root,
                env=environment | {"PATH": f"{PROGRAMS}:{environment['PATH']}"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ended.returncode == 0, ended.stdout + ended.stderr
            said.append(ended.stdout)
    return "".join(said)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout with its tests, as a newcomer has it."""
    checkout = Checkout.make(tmp_path / "checkout")
    shutil.copytree(
        ROOT / "tests", checkout.root / "tests", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy2(ROOT / "pyproject.toml", checkout.root)
    yield checkout
    shutil.rmtree(checkout.root)


@pytest.mark.parametrize("title", SECTIONS)
def test_everything_is_added_in_five_steps(title: str) -> None:
    assert len(steps(title)) == 5


@pytest.mark.parametrize("title", SECTIONS)
def test_files_and_folders_that_are_named_are_there(title: str) -> None:
    named = re.findall(r"`((?:\w+/)+[\w.]*)`", section(title))

    # What a run makes is not in a checkout.
    assert [path for path in named if not (ROOT / path).exists() and "data/" not in path] == []


@pytest.mark.slow
def test_a_segment_that_is_added_by_the_steps_has_its_members(
    checkout: Checkout, tmp_path: Path
) -> None:
    # Ada and Bo read on Sunday; Bo has ordered before. Cy was mailed and read nothing.
    place = Place(checkout, tmp_path)
    place.put(
        "email_events/march.csv",
        "event_type,occurred_at,email,message_id",
        *(f"sent,2026-03-01T08:00:00Z,{name}@example.com,{name}-1" for name in ("ada", "bo", "cy")),
        *(f"open,2026-03-01T19:00:00Z,{name}@example.com,{name}-1" for name in ("ada", "bo")),
    )
    place.put(
        "orders/february.csv",
        "order_id,email,ordered_at,status,total_amount",
        "1,bo@example.com,2026-02-01T08:00:00Z,paid,20.00",
    )
    with duckdb.connect(str(place.warehouse)) as connection:
        assert load(connection, place.landing, TUESDAY).problems == ()

    said = follow(
        "A segment",
        checkout,
        MAILMART_WAREHOUSE=str(place.warehouse),
        MAILMART_AS_OF=f"{TUESDAY.isoformat()}Z",
        DBT_USE_COLORS="false",
    )

    assert place.rows(
        "select email from marts.profile_segments"
        " inner join marts.dim_profiles using (profile_id)"
        " where segment = 'readers_without_order'"
    ) == [("ada@example.com",)]
    # What dbt shows, and its own word on the unit test.
    assert re.search(r'"segment": "readers_without_order",\s+"members": 1\b', said)
    assert re.search(r"PASS \S*readers_without_order_read_and_never_ordered", said)


@pytest.mark.slow
def test_an_expectation_that_is_added_by_the_steps_judges(checkout: Checkout) -> None:
    said = follow("An expectation", checkout, PYTEST_ADDOPTS="-rA")

    name = "test_somebody_seen_before_there_were_shops_warns"
    assert len(re.findall(rf"^PASSED .*::{name}\[", said, re.MULTILINE)) == 2
