"""A run goes on from the last one, and says why where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.orchestration import shop
from tests.orchestration.checkout import Ended, Place
from tests.orchestration.conftest import FirstRun
from tests.orchestration.test_interruption import tables


@pytest.fixture
def place(first_run: FirstRun, tmp_path: Path) -> Place:
    """A shop that was built on Tuesday, in a folder and a checkout of this test's own."""
    checkout = first_run.place.checkout.copied(tmp_path / "checkout")
    return Place(checkout, first_run.place.copied(tmp_path / "shop").folder)


def reason(run: Ended) -> str:
    """Return what a run says of having built everything anew, empty where it says nothing."""
    assert run.status == 0, run.err
    said = " ".join(run.out.split())
    return said.partition("Everything was built anew: ")[2].partition(". ")[0]


@pytest.mark.slow
def test_a_seed_that_an_analyst_edited_is_noticed(place: Place) -> None:
    assert reason(place.run(shop.WEDNESDAY)) == ""
    seed = place.checkout.root / "dbt_project/seeds/engagement_tiers.csv"
    text = seed.read_text(encoding="utf-8")
    # Nobody is lapsing any more, today or in any history.
    seed.write_text(text.replace("lapsing,3,30,1,1", "lapsing,3,30,100,100"), encoding="utf-8")

    assert reason(place.run(shop.WEDNESDAY)) == "seed engagement_tiers has changed"
    assert place.rows(
        "select count(*) from marts.fct_engagement_tier_spells where engagement_tier = 'lapsing'"
    ) == [(0,)]
    assert reason(place.run(shop.WEDNESDAY)) == ""


@pytest.mark.slow
def test_code_settings_and_time_that_goes_back_are_noticed(place: Place) -> None:
    models = place.checkout.root / "dbt_project/models"
    with (models / "intermediate/int_messages__sent.sql").open("a", encoding="utf-8") as model:
        model.write("\n-- another word\n")
    assert reason(place.run(shop.TUESDAY)) == "model int_messages__sent has changed"

    macro = place.checkout.root / "dbt_project/macros/email.sql"
    text = macro.read_text(encoding="utf-8")
    macro.write_text(text.replace("lower(", "lower( "), encoding="utf-8")
    assert reason(place.run(shop.TUESDAY)).startswith("macro ")

    settings = place.checkout.root / "dbt_project.yml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("cutoffs: null", "cutoffs: ['2026-01-01']"), encoding="utf-8")
    assert reason(place.run(shop.TUESDAY)) == "the setting cutoffs has changed"

    # Rules of segments reach no table that a build goes on from.
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("open_cart_value >= 100", "open_cart_value >= 90"), "utf-8")
    assert reason(place.run(shop.WEDNESDAY)) == ""
    assert reason(place.run(shop.TUESDAY)).startswith("as_of goes back, from 2026-03-0")


@pytest.mark.slow
def test_runs_that_went_on_left_what_one_run_makes(place: Place) -> None:
    place.put(
        "email_events/late.csv",
        "event_id,event_type,occurred_at,email,message_id",
        # A mail of last week that is told of today, and an open of it that comes twice.
        "late-1,sent,2026-02-25T09:00:00Z,ada@tuesday.example,m-late",
        "late-2,open,2026-02-25T10:00:00Z,Ada@tuesday.example,m-late",
        "late-3,open,2026-02-25T10:00:00Z,ada@tuesday.example,m-late",
    )
    assert reason(place.run(shop.WEDNESDAY)) == ""
    assert place.rows("select count(*) from intermediate.int_profiles__touched") != [(0,)]
    in_steps = tables(place, "marts", "sync")

    ended = place.checkout.mailmart(*place.run_arguments(shop.WEDNESDAY), "--full-refresh")

    assert ended.status == 0, ended.err
    assert tables(place, "marts", "sync") == in_steps
