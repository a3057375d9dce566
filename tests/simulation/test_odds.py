"""Chances, against values known from tables and from the published figures."""

import numpy as np
import pytest

from simulation import params
from simulation.calendar import HOUR
from simulation.odds import (
    OpenDelay,
    log_odds,
    logistic,
    mean_logistic,
    normal_cdf,
    normal_quantile,
)

TARGETS = params.load().targets


def test_the_normal_distribution_is_that_of_the_tables() -> None:
    points = np.array([-1.959964, 0.0, 1.0, 2.326348])
    shares = np.array([0.025, 0.5, 0.8413447, 0.99])
    assert normal_cdf(points) == pytest.approx(shares, abs=1e-6)
    assert normal_quantile(shares) == pytest.approx(points, abs=1e-4)


def test_even_odds_are_a_half_and_nine_to_one_nine_tenths() -> None:
    assert log_odds(0.5) == 0
    assert logistic(np.array([0.0, np.log(9)])) == pytest.approx([0.5, 0.9])


def test_a_spread_of_odds_pulls_the_mean_towards_a_half() -> None:
    rare = mean_logistic(np.array([-3.0]), 1.0)
    draws = logistic(-3.0 + np.random.default_rng(1).standard_normal(400_000))
    assert rare[0] == pytest.approx(draws.mean(), rel=0.02)
    assert rare[0] > logistic(np.array([-3.0]))[0]


def test_the_delay_of_a_typical_reader_has_the_published_shares() -> None:
    delay = OpenDelay(TARGETS, quickness=0.0)
    hours = np.array([1.0, 6.4167, 24.0, 168.0, 600.0])
    within = delay.share_within(hours * HOUR, np.zeros(5))
    assert within == pytest.approx([0.259, 0.5, 0.712, 0.93, 1.0], abs=1e-4)


def test_quick_readers_come_first_and_all_together_keep_the_shares() -> None:
    delay = OpenDelay(TARGETS, quickness=0.6)
    rng = np.random.default_rng(2)
    traits = rng.standard_normal(200_000)
    drawn = delay.draw(rng, traits) / HOUR
    assert np.mean(drawn <= 24) == pytest.approx(0.712, abs=0.005)
    assert np.mean(drawn) == pytest.approx(41.4, abs=0.7)
    day = np.full(2, 24.0 * HOUR)
    slow, quick = delay.share_within(day, np.array([2.0, -2.0]))
    assert slow < 0.712 < quick
