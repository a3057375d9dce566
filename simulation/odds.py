"""Chances: the normal distribution, log-odds, and the delay from a send to its open."""

import math
from statistics import NormalDist
from typing import Final

import numpy as np

from simulation.calendar import HOUR, Floats
from simulation.params import Targets

# The normal distribution between its points is linear: off by less than 1e-6.
_POINTS: Final = np.linspace(-8.0, 8.0, 4097)
_CDF: Final = np.array([NormalDist().cdf(point) for point in _POINTS])

# Gauss-Hermite with three nodes: the mean over a standard normal, exact to the fifth power.
_NODES: Final = (-math.sqrt(3.0), 0.0, math.sqrt(3.0))
_WEIGHTS: Final = (1 / 6, 2 / 3, 1 / 6)


def normal_cdf(points: Floats) -> Floats:
    """Return the probability that a standard normal is at most each point."""
    shares: Floats = np.interp(points, _POINTS, _CDF)
    return shares


def normal_quantile(shares: Floats) -> Floats:
    """Return the point below which a standard normal lies with each share."""
    points: Floats = np.interp(shares, _CDF, _POINTS)
    return points


def log_odds(probability: float) -> float:
    """Return ln(p / (1 - p))."""
    return math.log(probability / (1 - probability))


def logistic(log_odds: Floats) -> Floats:
    """Return the probabilities of log-odds."""
    probabilities: Floats = 1 / (1 + np.exp(-log_odds))
    return probabilities


def mean_logistic(log_odds: Floats, spread: float) -> Floats:
    """Return the mean of the logistic over a normal of this spread around the log-odds."""
    total = np.zeros_like(log_odds)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        total += weight * logistic(log_odds + spread * node)
    return total


class OpenDelay:
    """How long after the delivery of a message a person opens it.

    The delays of all opens follow the published shares; a person's own delays hang together by a
    Gaussian copula with correlation `quickness`, so that there are quick and slow readers.
    """

    def __init__(self, targets: Targets, quickness: float) -> None:
        self._log_ms = np.log(np.array(targets.open_delay_hours) * HOUR)
        self._shares = np.array(targets.open_delay_shares)
        self._quickness = quickness
        self._own = math.sqrt(1 - quickness**2)

    @property
    def longest(self) -> int:
        """Return the longest delay in milliseconds."""
        return round(math.exp(self._log_ms[-1]))

    def draw(self, rng: np.random.Generator, persons: Floats) -> Floats:
        """Draw a delay in milliseconds for a reader with each standard normal trait."""
        traits = self._quickness * persons + self._own * rng.standard_normal(len(persons))
        delays: Floats = np.exp(np.interp(normal_cdf(traits), self._shares, self._log_ms))
        return delays

    def share_within(self, delays: Floats, persons: Floats) -> Floats:
        """Return the probability that the reader with each trait opens within each delay."""
        logs = np.log(np.maximum(delays, 1.0))
        overall = np.interp(logs, self._log_ms, self._shares)
        within = normal_cdf((normal_quantile(overall) - self._quickness * persons) / self._own)
        shares: Floats = np.where(overall <= 0, 0.0, np.where(overall >= 1, 1.0, within))
        return shares
