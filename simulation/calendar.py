"""When: the simulated time, its days, and the local clocks of the places people live in."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
"""Milliseconds since 1970-01-01T00:00:00Z."""
Floats = npt.NDArray[np.float64]

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
NEVER: Final = 1 << 60

# The simulated time always ends here, so that the same call gives the same shop on every day.
END: Final = datetime(2026, 1, 1, tzinfo=UTC)

# The truth about churn looks this far ahead, beyond the end too.
HORIZON_DAYS: Final = 30

# Local clocks are known for so many days around the simulated time: before it for visits that
# precede a sign-up, after it for the horizon.
_MARGIN_DAYS: Final = 40


@dataclass(frozen=True)
class Place:
    """Where a person lives; `weight` is its share of those who live outside New York."""

    country: str
    region: str
    city: str
    timezone: str
    weight: float


NEW_YORK: Final = (
    Place("US", "NY", "New York", "America/New_York", 0.7),
    Place("US", "New York", "New York", "America/New_York", 0.2),
    Place("US", "NY", "Buffalo", "America/New_York", 0.1),
)
ELSEWHERE: Final = (
    Place("US", "CA", "Los Angeles", "America/Los_Angeles", 0.16),
    Place("US", "IL", "Chicago", "America/Chicago", 0.12),
    Place("US", "TX", "Austin", "America/Chicago", 0.12),
    Place("US", "CO", "Denver", "America/Denver", 0.07),
    Place("US", "NJ", "Newark", "America/New_York", 0.08),
    Place("CA", "ON", "Toronto", "America/Toronto", 0.09),
    Place("GB", "ENG", "London", "Europe/London", 0.12),
    Place("DE", "BE", "Berlin", "Europe/Berlin", 0.10),
    Place("FR", "IDF", "Paris", "Europe/Paris", 0.06),
    Place("AU", "NSW", "Sydney", "Australia/Sydney", 0.05),
    Place("JP", "13", "Tokyo", "Asia/Tokyo", 0.03),
)
PLACES: Final = NEW_YORK + ELSEWHERE


@dataclass(frozen=True)
class Calendar:
    """The simulated time, and what local clocks show in it.

    `offsets` holds milliseconds to add to UTC, one row per place (the shop's own zone last), one
    column per UTC day from `_MARGIN_DAYS` before the start on. A day keeps its offset at noon.
    """

    start: int
    end: int
    offsets: Times
    season: Floats

    @property
    def horizon_end(self) -> int:
        """Return the end of what the truth looks at."""
        return self.end + HORIZON_DAYS * DAY

    def day(self, times: Times) -> Times:
        """Return the columns of `offsets` and `season` for times within the margin."""
        return (times - self.start) // DAY + _MARGIN_DAYS

    def local_hour(self, times: Times, places: npt.NDArray[np.integer]) -> Floats:
        """Return the hour of the day, 0 to under 24, on the clocks of `places`."""
        local = times + self.offsets[places, self.day(times)]
        hours: Floats = (local % DAY) / HOUR
        return hours

    def months(self) -> list[tuple[str, int]]:
        """List the months from the first to the last of the time, as `2025-03` and its start."""
        first = datetime.fromtimestamp(self.start / SECOND, tz=UTC)
        months = []
        year, month = first.year, first.month
        while (begin := int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * SECOND) < self.end:
            months.append((f"{year:04d}-{month:02d}", begin))
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        return months

    def cutoffs(self) -> list[int]:
        """List the month starts after the start, the end among them if it is one."""
        starts = [begin for _, begin in self.months() if begin > self.start]
        return [*starts, self.end]


def calendar(days: int, shop_timezone: str, season: dict[int, float]) -> Calendar:
    """Lay out the `days` that end at `END`, with the factor of each month in `season`."""
    end = int(END.timestamp()) * SECOND
    start = end - days * DAY
    first_day = start - _MARGIN_DAYS * DAY
    noons = [
        datetime.fromtimestamp((first_day + index * DAY + 12 * HOUR) / SECOND, tz=UTC)
        for index in range(days + 2 * _MARGIN_DAYS)
    ]
    zones = [ZoneInfo(place.timezone) for place in PLACES] + [ZoneInfo(shop_timezone)]
    known = {zone.key: [_offset(noon, zone) for noon in noons] for zone in set(zones)}
    return Calendar(
        start=start,
        end=end,
        offsets=np.array([known[zone.key] for zone in zones], dtype=np.int64),
        season=np.array([season.get(noon.month, 1.0) for noon in noons]),
    )


def _offset(noon: datetime, zone: ZoneInfo) -> int:
    return (noon.astimezone(zone).utcoffset() or timedelta()) // timedelta(milliseconds=1)
