from __future__ import annotations

from typing import Any

import pytest

from ml.promotion import decide


def _card(
    log_loss: float, champion: dict[str, Any] | None = None, tolerance: float = 0.0
) -> dict[str, Any]:
    """A new model of 1 March; everybody's base rate makes a log loss of 0.6."""
    return {
        "target": "churn",
        "version": "new",
        "as_of": "2026-03-01T00:00:00+00:00",
        "test_metrics": {"rows": 100, "log_loss": log_loss},
        "base_rate": {"log_loss": 0.6},
        "champion": champion,
        "params": {"promotion": {"tolerance": tolerance}},
    }


def _champion(log_loss: float, as_of: str = "2026-02-01T00:00:00+00:00") -> dict[str, Any]:
    return {"version": "old", "as_of": as_of, "log_loss": log_loss}


def test_a_first_model_becomes_champion_if_it_beats_the_base_rate() -> None:
    decision = decide(_card(0.5), None)
    assert decision.is_promoted
    assert (decision.log_loss, decision.base_rate_log_loss) == (0.5, 0.6)


@pytest.mark.parametrize("champion", [None, _champion(0.7)])
def test_a_model_no_better_than_the_base_rate_never_becomes_champion(
    champion: dict[str, Any] | None,
) -> None:
    decision = decide(_card(0.6, champion), champion["version"] if champion else None)
    assert not decision.is_promoted
    assert "no more than the base rate" in decision.sentence


@pytest.mark.parametrize(("champions", "is_promoted"), [(0.51, True), (0.5, True), (0.49, False)])
def test_a_later_model_follows_if_it_is_not_worse_on_the_same_rows(
    champions: float, is_promoted: bool
) -> None:
    decision = decide(_card(0.5, _champion(champions)), "old")
    assert decision.is_promoted is is_promoted
    assert (decision.log_loss, decision.champion_log_loss) == (0.5, champions)
    assert decision.test_rows == 100
    assert "0.5000" in decision.sentence
    assert f"{champions:.4f}" in decision.sentence


def test_the_tolerance_lets_a_slightly_worse_model_follow() -> None:
    assert decide(_card(0.5, _champion(0.499), tolerance=0.002), "old").is_promoted
    assert not decide(_card(0.5, _champion(0.497), tolerance=0.002), "old").is_promoted


def test_a_model_of_an_earlier_day_does_not_push_out_one_that_knows_more() -> None:
    decision = decide(_card(0.5, _champion(0.55, as_of="2026-04-01T00:00:00+00:00")), "old")
    assert not decision.is_promoted
    assert "learned from later data" in decision.sentence


def test_a_champion_that_can_score_no_more_is_followed() -> None:
    broken = {
        "version": "old",
        "as_of": "2026-02-01T00:00:00+00:00",
        "cannot_be_tested": "it needs days_since_last_visit, which is gone",
    }
    decision = decide(_card(0.5, broken), "old")
    assert decision.is_promoted
    assert "days_since_last_visit" in decision.sentence


def test_the_champion_trained_again_stays_the_champion() -> None:
    decision = decide(_card(0.5, {**_champion(0.5), "version": "new"}), "new")
    assert not decision.is_promoted
    assert "the champion already" in decision.sentence


def test_a_comparison_with_somebody_else_decides_nothing() -> None:
    with pytest.raises(ValueError, match="compared with old, but the champion is other"):
        decide(_card(0.5, _champion(0.5)), "other")
