"""The doors in a run: what they stop, and where one is told to look."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.orchestration import shop
from tests.orchestration.checkout import Checkout, Place
from tests.orchestration.conftest import FirstRun
from tests.orchestration.shop import TUESDAY, WEDNESDAY


def rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def strict(first_run: FirstRun, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A shop that tells its revenue in euros, and scores nobody while it cannot tell all of it."""
    checkout = first_run.place.checkout.copied(tmp_path_factory.mktemp("strict"))
    rewrite(
        checkout.root / "dbt_project.yml", "reporting_currency: null", "reporting_currency: EUR"
    )
    rewrite(
        checkout.root / "expectations" / "doors.yml",
        "orders_without_rate:\n    warn:",
        "orders_without_rate:\n    stop:",
    )
    return checkout


@pytest.mark.slow
def test_profiles_that_are_not_fit_are_neither_learned_from_nor_scored_nor_sent(
    strict: Checkout, tmp_path: Path
) -> None:
    place = Place(strict, tmp_path)
    shop.fill(place)
    orders = place.put(
        "orders/2026.csv",
        "order_id,email,ordered_at,total_amount,currency",
        "1,ada@tuesday.example,2026-03-01T00:00:00Z,10.00,NOK",
    )

    ended = place.run(TUESDAY)

    assert ended.status == 3
    assert "the door before_scoring stopped the batch: orders_without_rate: 1 of 1 orders" in (
        ended.last_line
    )
    page = re.search(r" See (/\S+/before_scoring\.html)$", ended.last_line)
    assert page is not None
    assert "orders_without_rate" in Path(page[1]).read_text(encoding="utf-8")
    assert place.deliveries() == []
    assert place.rows("select count(*) from marts.dim_profiles") == [(4,)]
    for nothing in ("marts.fct_builds", "ml.scores"):
        assert place.rows(f"select count(*) from {nothing}") == [(0,)]
    assert not (tmp_path / "warehouse.duckdb.models").exists()

    orders.unlink()
    place.put(
        "orders/2026-03.csv",
        "order_id,email,ordered_at,total_amount,currency,updated_at",
        "1,ada@tuesday.example,2026-03-01T00:00:00Z,10.00,EUR,2026-03-02T00:00:00Z",
    )
    assert place.run(WEDNESDAY).status == 0
    assert len(place.deliveries()) == 1


@pytest.mark.slow
def test_a_warning_is_said_once_with_the_page_that_tells_more(built: Place) -> None:
    ended = built.run("2026-09-01T06:00:00Z")

    warnings = [line for line in ended.out.splitlines() if line.startswith("warning: ")]
    assert ended.status == 0, ended.err
    assert warnings
    assert len(warnings) == len(set(warnings))
    page = re.search(r"what the door after_loading found: see (/\S+\.html)", ended.out)
    assert page is not None
    assert Path(page[1]).exists()


@pytest.mark.slow
def test_a_rule_that_the_database_refuses_is_named_with_its_segment(
    first_run: FirstRun, built: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    checkout = first_run.place.checkout.copied(tmp_path_factory.mktemp("misspelt"))
    rewrite(checkout.root / "dbt_project.yml", "rule: open_probability", "rule: opn_probability")

    ended = Place(checkout, built.folder).run(WEDNESDAY)

    assert ended.status == 1
    assert "the rule of the segment likely_openers does not work" in ended.last_line
    assert '"opn_probability" not found' in ended.last_line
    assert "it is 'opn_probability >= 0.5'" in ended.last_line
