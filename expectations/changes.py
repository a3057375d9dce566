"""What changed since a door last let a batch through: rules about change need a history first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from expectations import verdicts
from expectations.settings import FallBound, GrowthBound, ReviewedRule, get_reviewed_until
from expectations.verdicts import Pass


@dataclass(frozen=True)
class History:
    """The figures of the last good batch, and how long before this one it was as of."""

    figures: Mapping[str, float]
    judged_at: datetime
    apart: timedelta

    def tell(self) -> str:
        """Say which batch it was."""
        return f"the last good batch (judged {self.judged_at:%Y-%m-%d %H:%M} UTC)"

    def find_way_out(self, key: str, source: str) -> str:
        """Say how the change is let through once somebody has looked at it."""
        # Up to the next whole second: the file's times are written by hand.
        moment = self.judged_at.replace(microsecond=0) + timedelta(seconds=1)
        return (
            f"look at what the newest load changed; if it is right, set {key}.reviewed_until in "
            f"{source} to {moment.isoformat()}Z, and the next good batch is the one to compare with"
        )


def tell_fall(bound: FallBound) -> str:
    """Say in brackets how many fewer there may be, behind a figure of then and one of now."""
    return f" (allowed are {bound.share_at_most:.0%} fewer)"


def tell_growth(bound: GrowthBound) -> str:
    """Say in brackets how many more there may be, as a multiple of those of then."""
    return f" (allowed are {bound.growth_at_most + 1:g} times as many)"


def find_history(
    connection: duckdb.DuckDBPyConnection,
    door: str,
    rule: ReviewedRule[Any],
    *,
    as_of: datetime,
    judged_at: datetime,
) -> History | None:
    """Return what this batch can be compared with, or None.

    That is nothing on a first load, nothing where the as-of time goes back behind one that has
    passed, and nothing that lies at or before the rule's `reviewed_until`.
    """
    last = verdicts.read_last_pass(connection, door, judged_before=judged_at)
    if last is None or last.as_of > as_of or last.judged_at <= get_reviewed_until(rule):
        return None
    return History(last.figures, last.judged_at, as_of - last.as_of)


def find_passes(
    connection: duckdb.DuckDBPyConnection,
    door: str,
    rule: ReviewedRule[Any],
    *,
    as_of: datetime,
    judged_at: datetime,
    count: int,
) -> list[Pass]:
    """Return up to `count` good batches that this one can be compared with, the newest first.

    There is none where `find_history` finds nothing.
    """
    if find_history(connection, door, rule, as_of=as_of, judged_at=judged_at) is None:
        return []
    since = get_reviewed_until(rule)
    passes = verdicts.read_passes(connection, door, judged_before=judged_at, count=count)
    return [batch for batch in passes if batch.judged_at > since]
