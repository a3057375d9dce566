"""Which rows train, validate (stop the training), calibrate and test a model.

Time is what leaks: a label reaches a horizon into the future, and what happens there is in the
features of the next rows. So sets are stretches of time, the labels of an older one are known
before a younger one begins (rows in between, whose horizon would reach over, are left out: the
embargo), and the test set is always the newest stretch there is.

Validation and calibration share a stretch, half of the people each: two stretches of their own
would push the training back by one more, and what it learns is older when it is used. Few cutoffs
have fewer stretches; then the sets that are short of time are split by person too, by a hash of
the profile, so that nobody is on both sides. The first scheme that leaves enough rows in each set,
and enough of them for training, is taken:

by_time         training | validation and calibration, half of the people each | test
shared_past     training, validation and calibration, 70 : 15 : 15 of the people | test
by_person       all four, 55 : 15 : 15 : 15 of the people, in one stretch
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.examples import Examples
from ml.params import TargetParams

Indices = npt.NDArray[np.int64]

SCHEMES = {
    "by_time": "three stretches of time, oldest first: training, then validation and calibration, "
    "half of the people each, then test",
    "shared_past": "two stretches of time; training, validation and calibration share the older "
    "one, 70, 15 and 15 % of the people",
    "by_person": "one stretch of time, shared by all sets: 55 % of the people for training, "
    "15 each for validation, calibration and test",
}


@dataclass(frozen=True)
class Split:
    """Row numbers of each set, and the scheme that chose them."""

    scheme: str
    training: Indices
    validation: Indices
    calibration: Indices
    test: Indices

    @property
    def in_words(self) -> str:
        """Say how the rows were divided."""
        return SCHEMES[self.scheme]

    def parts(self) -> dict[str, Indices]:
        """Return the parts by name, in the order they are used."""
        return {
            "training": self.training,
            "validation": self.validation,
            "calibration": self.calibration,
            "test": self.test,
        }


def divide(examples: Examples, params: TargetParams) -> Split | None:
    """Divide the rows by the first scheme that leaves enough in each part, or return None."""
    timeline = _Timeline(examples, params)
    schemes: list[Callable[[_Timeline], Split | None]] = [
        _by_time,
        _shared_past,
        _by_person,
    ]
    for scheme in schemes:
        split = scheme(timeline)
        if split is not None and timeline.suffices(split):
            return split
    return None


class _Timeline:
    """The rows by rising time, and how to cut stretches off their newest end."""

    def __init__(self, examples: Examples, params: TargetParams) -> None:
        self.times = examples.times
        self.labels = examples.labels
        self.params = params
        self.horizon = params.horizon_hours * 3_600_000_000
        self.positives = np.append(0, np.cumsum(examples.labels)).astype(np.int64)
        # The hash is uniform over 64 bits, so its share of them is the person's bucket for good.
        self.buckets = examples.profiles.astype(np.float64) / 2.0**64

    @property
    def rows(self) -> int:
        return len(self.times)

    def cut(self, end: int, share: float, *, sets: int = 1) -> tuple[int, int] | None:
        """Return the newest stretch [start, end) with a share of all rows and enough for `sets`.

        It begins at the first row of an instant: rows of one cutoff are never torn apart.
        """
        minimum = self.params.minimum
        wanted = max(round(share * self.rows), sets * minimum.held_out_rows)
        positives, negatives = self.positives, np.arange(self.rows + 1) - self.positives
        start = min(
            end - wanted,
            _last_start(positives, end, sets * minimum.held_out_each_class),
            _last_start(negatives, end, sets * minimum.held_out_each_class),
        )
        if start < 0:
            return None
        return int(np.searchsorted(self.times, self.times[start])), end

    def before(self, start: int) -> int:
        """Return where the rows end whose labels are known when the row `start` begins."""
        return int(np.searchsorted(self.times, self.times[start] - self.horizon, side="right"))

    def in_buckets(self, stretch: tuple[int, int], low: float, high: float) -> Indices:
        """Return the rows of a stretch whose profiles are in the hash buckets [low, high)."""
        buckets = self.buckets[stretch[0] : stretch[1]]
        return np.flatnonzero((buckets >= low) & (buckets < high)).astype(np.int64) + stretch[0]

    def suffices(self, split: Split) -> bool:
        """Say whether each part has enough rows of both classes, and training its share."""
        minimum = self.params.minimum
        known_before_the_test = self.before(int(split.test[0])) if len(split.test) else 0
        wanted = self.params.split.training_at_least * known_before_the_test
        if len(split.training) < wanted:
            return False
        for part in split.parts().values():
            positives = int(self.labels[part].sum())
            smaller_class = min(positives, len(part) - positives)
            if len(part) < minimum.held_out_rows or smaller_class < minimum.held_out_each_class:
                return False
        return True


def _by_time(timeline: _Timeline) -> Split | None:
    shares = timeline.params.split
    test = timeline.cut(timeline.rows, shares.test)
    if test is None:
        return None
    tuning = timeline.cut(timeline.before(test[0]), shares.tuning, sets=2)
    if tuning is None:
        return None
    return Split(
        "by_time",
        training=np.arange(timeline.before(tuning[0])),
        validation=timeline.in_buckets(tuning, 0.0, 0.5),
        calibration=timeline.in_buckets(tuning, 0.5, 1.0),
        test=np.arange(*test),
    )


def _shared_past(timeline: _Timeline) -> Split | None:
    test = timeline.cut(timeline.rows, timeline.params.split.test)
    if test is None:
        return None
    past = (0, timeline.before(test[0]))
    return Split(
        "shared_past",
        training=timeline.in_buckets(past, 0.0, 0.7),
        validation=timeline.in_buckets(past, 0.7, 0.85),
        calibration=timeline.in_buckets(past, 0.85, 1.0),
        test=np.arange(*test),
    )


def _by_person(timeline: _Timeline) -> Split | None:
    everything = (0, timeline.rows)
    return Split(
        "by_person",
        training=timeline.in_buckets(everything, 0.0, 0.55),
        validation=timeline.in_buckets(everything, 0.55, 0.7),
        calibration=timeline.in_buckets(everything, 0.7, 0.85),
        test=timeline.in_buckets(everything, 0.85, 1.0),
    )


def _last_start(counted: Indices, end: int, wanted: int) -> int:
    """Return the last start such that [start, end) holds `wanted`; -1 where none does."""
    return int(np.searchsorted(counted, counted[end] - wanted, side="right")) - 1
