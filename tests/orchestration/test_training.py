"""`mailmart train`, and what the main job does with models, on a shop with enough to learn from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.orchestration.checkout import Checkout, Ended, Place

NEW_YEAR = "2026-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def trained(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Ended]:
    """A simulated shop after its first run."""
    place = Place(checkout, tmp_path_factory.mktemp("simulated"))
    made = checkout.mailmart(
        *("simulate", "--profiles", "1500", "--days", "300", "--seed", "7"),
        *("--out", place.folder),
    )
    assert made.status == 0, made.err
    return place, place.run(NEW_YEAR)


def decisions(place: Place, target: str) -> list[dict[str, str]]:
    log = place.folder / "warehouse.duckdb.models" / target / "decisions.json"
    kept: list[dict[str, str]] = json.loads(log.read_text(encoding="utf-8"))["decisions"]
    return kept


@pytest.mark.slow
def test_the_first_run_trains_and_scores_everybody_who_may_be_profiled(
    trained: tuple[Place, Ended],
) -> None:
    place, ended = trained

    assert ended.status == 0, ended.err
    assert [len(decisions(place, target)) for target in ("churn", "open")] == [1, 1]
    ((mismatched, scored),) = place.rows(
        "select count(*) filter (where not profiles.may_be_profiled), count(*) "
        "from marts.profile_scores as scores join marts.dim_profiles as profiles "
        "on scores.profile_id = profiles.profile_id where scores.open_probability is not null"
    )
    assert (mismatched, scored) == (
        0,
        place.rows("select count(*) from marts.dim_profiles where may_be_profiled")[0][0],
    )
    segments = {name for (name,) in place.rows("select distinct segment from sync.segment_members")}
    assert "churn_risk" in segments


@pytest.mark.slow
def test_training_again_learns_as_of_the_last_build_and_says_who_scores(
    trained: tuple[Place, Ended], tmp_path: Path
) -> None:
    place = trained[0].copied(tmp_path)

    ended = place.checkout.mailmart("train", "--warehouse", place.warehouse)

    assert ended.status == 0, ended.err
    assert len(ended.out.splitlines()) == 2
    for target in ("churn", "open"):
        assert len(decisions(place, target)) == 2
        cards = (place.folder / "warehouse.duckdb.models" / target).glob("*/card.json")
        assert {json.loads(card.read_text(encoding="utf-8"))["as_of"][:10] for card in cards} == {
            "2026-01-01"
        }


@pytest.mark.slow
def test_a_damaged_model_is_named_with_the_way_out(
    trained: tuple[Place, Ended], tmp_path: Path
) -> None:
    place = trained[0].copied(tmp_path)
    champion = place.folder / "warehouse.duckdb.models" / "churn" / "champion.json"
    champion.write_text("{", encoding="utf-8")

    ended = place.checkout.mailmart("train", "--warehouse", place.warehouse)

    assert ended.status == 1
    assert f"Delete it and train anew (mailmart train): {champion}" in ended.last_line
    assert "Traceback" not in ended.err
