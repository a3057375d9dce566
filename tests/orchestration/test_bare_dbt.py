"""dbt by itself, at the root, without anything of ours around it."""

from __future__ import annotations

import json

import pytest

from tests.orchestration.checkout import Checkout, Place
from tests.orchestration.shop import WEDNESDAY


@pytest.mark.slow
def test_bare_dbt_builds_a_warehouse_that_the_environment_names(built: Place) -> None:
    ended = built.checkout.call(
        "dbt",
        "build",
        MAILMART_WAREHOUSE=str(built.warehouse),
        MAILMART_AS_OF=WEDNESDAY,
    )

    assert ended.status == 0, ended.out
    assert built.rows("select max_by(as_of, built_at)::varchar from marts.fct_builds") == [
        ("2026-03-04 06:00:00",)
    ]


@pytest.mark.slow
def test_tables_of_two_moments_are_delivered_to_nobody(built: Place) -> None:
    before = built.deliveries()
    settings = {"MAILMART_WAREHOUSE": str(built.warehouse), "MAILMART_AS_OF": WEDNESDAY}
    part = built.checkout.call("dbt", "build", "--select", "sync_profiles", **settings)
    assert part.status == 0, part.out

    ended = built.sync()

    assert ended.status == 1
    assert "the build as of 2026-03-04T06:00:00Z that began at 20" in ended.last_line
    assert "did not finish, and the tables are of two moments" in ended.last_line
    assert built.deliveries() == before

    whole = built.checkout.call("dbt", "build", **settings)
    assert whole.status == 0, whole.out
    assert built.sync().status == 0


@pytest.mark.slow
def test_bare_dbt_builds_an_empty_warehouse_as_of_now(checkout: Checkout) -> None:
    place = Place(checkout, checkout.root / "data")

    ended = checkout.call("dbt", "build")

    assert ended.status == 0, ended.out
    assert place.rows("select count(*), bool_and(as_of = built_at) from marts.fct_builds") == [
        (1, True)
    ]
    place.warehouse.unlink()


@pytest.mark.slow
def test_the_pages_of_all_models_can_be_generated(built: Place) -> None:
    ended = built.checkout.call("dbt", "docs", "generate", MAILMART_WAREHOUSE=str(built.warehouse))

    assert ended.status == 0, ended.out
    catalog = json.loads((built.checkout.root / "target" / "catalog.json").read_text("utf-8"))
    assert "model.mailmart.dim_profiles" in catalog["nodes"]
