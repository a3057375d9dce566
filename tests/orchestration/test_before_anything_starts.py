"""What can be known beforehand is said before anything starts, and leaves no trace."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from orchestration.publication import name_publication
from tests.orchestration import shop
from tests.orchestration.checkout import Checkout, Ended, Place
from tests.orchestration.conftest import FirstRun
from tests.orchestration.shop import TUESDAY


@contextmanager
def replaced(file: Path, old: str, new: str) -> Iterator[None]:
    """Change a text in a file for a while."""
    before = file.read_text(encoding="utf-8")
    assert old in before
    times = file.stat()
    file.write_text(before.replace(old, new, 1), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def assert_failed_with_a_sentence(ended: Ended) -> None:
    assert ended.status == 1
    assert ended.out == ""
    assert "Traceback" not in ended.err
    # dbt reads the project anew where somebody else has written its manifest meanwhile.
    said = [line for line in ended.err.splitlines() if not line.startswith("reading the dbt")]
    assert said == [ended.last_line]


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        (
            "destinations.yml",
            "enabled: true",
            "enabeld: true",
            r"destinations\.yml: destinations\.file has an unknown key 'enabeld'; allowed: kind, ",
        ),
        (
            "expectations/doors.yml",
            "share_at_most: 0.01",
            "share_at_most: a few",
            r"expectations/doors\.yml: after_loading\.rejected_rows\.warn\.share_at_most: must be",
        ),
        ("ml/params.yaml", "churn:", "chrun:", r"ml/params\.yaml: churn: Field required"),
    ],
)
def test_a_wrong_setting_is_named_before_anything_is_loaded(
    empty: Place, file: str, old: str, new: str, complaint: str
) -> None:
    shop.fill(empty)

    with replaced(empty.checkout.root / file, old, new):
        ended = empty.run(TUESDAY)

    assert_failed_with_a_sentence(ended)
    assert re.search(complaint, ended.last_line)
    assert not empty.warehouse.exists()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("segments: all", "segments: [winn_back]", "the segment winn_back, which the warehouse"),
        ("properties: all", "properties: {shoe_size: }", "the property shoe_size, which the"),
    ],
)
def test_a_destination_of_names_that_are_not_there_is_refused_before_anything_is_loaded(
    first_run: FirstRun, empty: Place, old: str, new: str, complaint: str
) -> None:
    shop.fill(empty)

    with replaced(empty.checkout.root / "destinations.yml", old, new):
        ended = empty.run(TUESDAY)

    assert_failed_with_a_sentence(ended)
    assert f"destinations.file names {complaint}" in ended.last_line
    assert empty.rows("select count(*) from duckdb_tables()") == [(0,)]


def test_a_warehouse_that_is_no_duckdb_file_is_left_as_it_is(empty: Place) -> None:
    shop.fill(empty)
    empty.warehouse.write_text("profiles;tiers\n" * 1000, encoding="utf-8")

    ended = empty.run(TUESDAY)

    assert_failed_with_a_sentence(ended)
    assert f"{empty.warehouse}: it is no DuckDB file; name another with --warehouse" in (
        ended.last_line
    )
    assert empty.warehouse.read_text(encoding="utf-8") == "profiles;tiers\n" * 1000


def test_a_warehouse_that_another_program_has_open_is_not_waited_for(empty: Place) -> None:
    shop.fill(empty)

    with duckdb.connect(str(empty.warehouse)):
        ended = empty.run(TUESDAY)

    assert_failed_with_a_sentence(ended)
    assert "another program has it open; close it first" in ended.last_line


@pytest.mark.parametrize("command", ["train", "sync"])
def test_without_a_warehouse_there_is_nothing_to_train_on_or_to_deliver(
    checkout: Checkout, tmp_path: Path, command: str
) -> None:
    warehouse = tmp_path / "warehouse.duckdb"

    ended = checkout.mailmart(command, "--warehouse", warehouse)

    assert_failed_with_a_sentence(ended)
    assert f"there is no warehouse {warehouse} yet; `mailmart run` makes it" in ended.last_line
    assert list(tmp_path.iterdir()) == []


def test_another_profile_key_is_refused_because_every_id_would_change(built: Place) -> None:
    arguments = built.run_arguments(TUESDAY)

    ended = built.checkout.mailmart(*arguments, MAILMART_PROFILE_KEY="another key")

    assert_failed_with_a_sentence(ended)
    assert "the profile key is not the one that this warehouse was built with" in ended.last_line
    assert "put the old key back" in ended.last_line
    assert "another key" not in ended.last_line
    assert built.rows("select count(*) from marts.fct_builds") == [(1,)]


@pytest.mark.slow
def test_bare_dbt_refuses_another_profile_key_too(built: Place) -> None:
    ended = built.checkout.call(
        *("dbt", "build", "--select", "stg_crm__contacts"),
        MAILMART_WAREHOUSE=str(built.warehouse),
        MAILMART_PROFILE_KEY="another key",
    )

    assert ended.status != 0
    assert "the profile key is not the one that this warehouse was built with" in ended.out


@pytest.mark.slow
def test_a_dbt_project_that_cannot_be_read_is_named_before_anything_is_loaded(
    empty: Place,
) -> None:
    shop.fill(empty)
    model = (
        empty.checkout.root / "dbt_project" / "models" / "marts" / "profiles" / "dim_profiles.sql"
    )

    with replaced(model, "with", "{{ ref('dim_strangers') }} with"):
        ended = empty.run(TUESDAY)

    assert ended.status == 1
    assert "dim_strangers" in ended.last_line
    assert "Traceback" not in ended.err
    assert empty.rows("select count(*) from duckdb_tables()") == [(0,)]


def test_a_simulated_shop_is_not_written_over_another(checkout: Checkout, tmp_path: Path) -> None:
    call = ["simulate", "--profiles", "20", "--days", "10", "--out", str(tmp_path / "shop")]
    first = checkout.mailmart(*call, "--seed", "1")

    other = checkout.mailmart(*call, "--seed", "2")
    again = checkout.mailmart(*call, "--seed", "1")

    assert first.status == 0
    assert re.search(r"/shop/landing: [\d,]+ rows, as of 2026-01-01T00:00:00Z\n", first.out)
    assert_failed_with_a_sentence(other)
    assert "exists already" in other.last_line
    assert "choose another folder or remove it" in other.last_line
    assert (again.status, again.out) == (0, first.out)


@pytest.mark.parametrize("command", ["explain", "erase"])
def test_what_is_published_for_readers_is_no_warehouse(built: Place, command: str) -> None:
    """A request that is filed there is gone with the next publication."""
    file = name_publication(built.warehouse)
    before = file.read_bytes()

    ended = built.checkout.mailmart(command, "--email", "ada@tuesday.example", "--warehouse", file)

    assert_failed_with_a_sentence(ended)
    assert f"{file} is no warehouse: it has no raw tables" in ended.last_line
    assert "name the warehouse with --warehouse" in ended.last_line
    assert file.read_bytes() == before
