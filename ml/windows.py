"""Which rows train, stop, calibrate and test a model.

Time is what leaks: a label reaches a horizon into the future, and what happens there is in the
features of the next rows. So each part is a stretch of time, the labels of an older part are known
before a younger part begins (rows in between, whose horizon would reach over, are left out: the
embargo), and the test is always the newest stretch there is.

That takes four stretches. Few cutoffs have fewer; then the parts that are short of time are split
by person instead, by a hash of the profile, so that nobody is on both sides. The first scheme that
leaves enough rows in each part, and enough of them for training, is taken:

by_time         training | stopping | calibration | newest
shared_tuning   training | stopping and calibration, half of the people each | newest
shared_past     training, stopping and calibration, 70 : 15 : 15 of the people | newest
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
    "by_time": "four stretches of time, oldest first: training, stopping, calibration, newest",
    "shared_tuning": "three stretches of time; stopping and calibration share the middle one, "
    "half of the people each",
    "shared_past": "two stretches of time; training, stopping and calibration share the older "
    "one, 70, 15 and 15 % of the people",
    "by_person": "one stretch of time, shared by all parts: 55 % of the people for training, "
    "15 each for stopping, calibration and test",
}


@dataclass(frozen=True)
class Windows:
    """Row numbers of each part, and the scheme that chose them."""

    scheme: str
    training: Indices
    stopping: Indices
    calibration: Indices
    newest: Indices

    @property
    def in_words(self) -> str:
        """Say how the rows were divided."""
        return SCHEMES[self.scheme]

    def parts(self) -> dict[str, Indices]:
        """Return the parts by name, in the order they are used."""
        return {
            "training": self.training,
            "stopping": self.stopping,
            "calibration": self.calibration,
            "newest": self.newest,
        }


def divide(examples: Examples, params: TargetParams) -> Windows | None:
    """Divide the rows by the first scheme that leaves enough in each part, or return None."""
    timeline = _Timeline(examples, params)
    schemes: list[Callable[[_Timeline], Windows | None]] = [
        _by_time,
        _shared_tuning,
        _shared_past,
        _by_person,
    ]
    for scheme in schemes:
        windows = scheme(timeline)
        if windows is not None and timeline.suffices(windows):
            return windows
    return None


class _Timeline:
    """The rows by rising time, and how to cut stretches off their newest end."""

    def __init__(self, examples: Examples, params: TargetParams) -> None:
        self.times = examples.times
        self.labels = examples.labels
        self.params = params
        self.horizon = params.horizon_hours * 3_600_000_000
        self.positives = np.append(0, np.cumsum(examples.labels)).astype(np.int64)
        # The hash is uniform over 64 bits: its share of them is a lot drawn once per person.
        self.lots = examples.profiles.astype(np.float64) / 2.0**64

    @property
    def rows(self) -> int:
        return len(self.times)

    def cut(self, end: int, share: float) -> tuple[int, int] | None:
        """Return the newest stretch [start, end) with a share of all rows and enough to judge by.

        It begins at the first row of an instant: rows of one cutoff are never torn apart.
        """
        minimum = self.params.minimum
        wanted = max(round(share * self.rows), minimum.held_out_rows)
        positives, negatives = self.positives, np.arange(self.rows + 1) - self.positives
        start = min(
            end - wanted,
            _last_start(positives, end, minimum.held_out_each_class),
            _last_start(negatives, end, minimum.held_out_each_class),
        )
        if start < 0:
            return None
        return int(np.searchsorted(self.times, self.times[start])), end

    def before(self, start: int) -> int:
        """Return where the rows end whose labels are known when the row `start` begins."""
        return int(np.searchsorted(self.times, self.times[start] - self.horizon, side="right"))

    def people(self, stretch: tuple[int, int], low: float, high: float) -> Indices:
        """Return the rows of a stretch whose profiles drew a lot in [low, high)."""
        lots = self.lots[stretch[0] : stretch[1]]
        return np.flatnonzero((lots >= low) & (lots < high)).astype(np.int64) + stretch[0]

    def suffices(self, windows: Windows) -> bool:
        """Say whether each part has enough rows of both classes, and training its share."""
        minimum = self.params.minimum
        known_before_the_test = self.before(int(windows.newest[0])) if len(windows.newest) else 0
        wanted = self.params.windows.training_at_least * known_before_the_test
        if len(windows.training) < wanted:
            return False
        for part in windows.parts().values():
            positives = int(self.labels[part].sum())
            smaller_class = min(positives, len(part) - positives)
            if len(part) < minimum.held_out_rows or smaller_class < minimum.held_out_each_class:
                return False
        return True


def _by_time(timeline: _Timeline) -> Windows | None:
    shares = timeline.params.windows
    end, stretches = timeline.rows, []
    for share in (shares.newest, shares.calibration, shares.stopping):
        stretch = timeline.cut(end, share)
        if stretch is None:
            return None
        stretches.append(np.arange(*stretch))
        end = timeline.before(stretch[0])
    newest, calibration, stopping = stretches
    return Windows("by_time", np.arange(end), stopping, calibration, newest)


def _shared_tuning(timeline: _Timeline) -> Windows | None:
    shares = timeline.params.windows
    newest = timeline.cut(timeline.rows, shares.newest)
    if newest is None:
        return None
    tuning = timeline.cut(timeline.before(newest[0]), shares.calibration + shares.stopping)
    if tuning is None:
        return None
    return Windows(
        "shared_tuning",
        training=np.arange(timeline.before(tuning[0])),
        stopping=timeline.people(tuning, 0.0, 0.5),
        calibration=timeline.people(tuning, 0.5, 1.0),
        newest=np.arange(*newest),
    )


def _shared_past(timeline: _Timeline) -> Windows | None:
    newest = timeline.cut(timeline.rows, timeline.params.windows.newest)
    if newest is None:
        return None
    past = (0, timeline.before(newest[0]))
    return Windows(
        "shared_past",
        training=timeline.people(past, 0.0, 0.7),
        stopping=timeline.people(past, 0.7, 0.85),
        calibration=timeline.people(past, 0.85, 1.0),
        newest=np.arange(*newest),
    )


def _by_person(timeline: _Timeline) -> Windows | None:
    everything = (0, timeline.rows)
    return Windows(
        "by_person",
        training=timeline.people(everything, 0.0, 0.55),
        stopping=timeline.people(everything, 0.55, 0.7),
        calibration=timeline.people(everything, 0.7, 0.85),
        newest=timeline.people(everything, 0.85, 1.0),
    )


def _last_start(counted: Indices, end: int, wanted: int) -> int:
    """Return the last start such that [start, end) holds `wanted`; -1 where none does."""
    return int(np.searchsorted(counted, counted[end] - wanted, side="right")) - 1
