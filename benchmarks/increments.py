"""A build that goes on from the day before, beside one pass over the email events.

What dbt costs on a warehouse without a row is taken off: it is the same for any amount of data.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks.models import time_pass
from benchmarks.timing import BenchmarkError, Spread
from benchmarks.workshop import Shop, Tell
from orchestration.database import open_warehouse

_DAY: Final = timedelta(days=1)
# When a row becomes known, in each table whose rows of the last day are brought a day later.
_TIMES: Final = {
    "email_events": "occurred_at",
    "web_events": "occurred_at",
    "orders": "greatest(ordered_at, coalesce(updated_at, ordered_at))",
    "contacts": "updated_at",
    "consents": "recorded_at",
}


@dataclass(frozen=True)
class Increments:
    """What the next day costs; multiples are of the one pass.

    `events` are the email events of that day, `touched` is the share of the people about whom
    anything arrived on it, `fixed` the seconds of dbt on a warehouse without a row.
    """

    events: int
    touched: float
    fixed: Spread
    next_day: Spread
    empty_day: Spread


def measure(shop: Shop, folder: Path, repeats: int, tell: Tell) -> Increments:
    """Build a shop that has been run as of its last day but one, then as of the two after it.

    On the first of these the last day's rows have come, on the second none. Each time begins from
    a copy of the same warehouse.
    """
    folder.mkdir()
    warehouse, before = folder / "warehouse.duckdb", folder / "before.duckdb"
    empty = folder / "empty.duckdb"
    events = _hold_back(shop, before)
    tell("increments: the days before")
    _build(shop, before, shop.as_of - _DAY)
    _empty(before, empty)
    _build(shop, empty, shop.as_of - _DAY)
    fixed, next_days, empty_days = [], [], []
    touched = 0.0
    for repeat in range(repeats):
        tell(f"increments: {repeat + 1} of {repeats}")
        shutil.copy(before, warehouse)
        _bring(warehouse)
        one_pass = time_pass(warehouse)
        fixed.append(_build(shop, empty, shop.as_of + repeat * _DAY))
        next_days.append((_build(shop, warehouse, shop.as_of) - fixed[-1]) / one_pass)
        touched = _read_share(warehouse)
        empty_days.append((_build(shop, warehouse, shop.as_of + _DAY) - fixed[-1]) / one_pass)
    return Increments(
        events, touched, Spread.of(fixed), Spread.of(next_days), Spread.of(empty_days)
    )


def _hold_back(shop: Shop, before: Path) -> int:
    """Copy the warehouse of a shop and put the last day's rows aside; return the email events."""
    shutil.copy(shop.warehouse, before)
    events = 0
    with closing(open_warehouse(before)) as connection:
        connection.execute("create schema held")
        for table, time in _TIMES.items():
            is_of_last_day = f"{time} > timestamp '{shop.as_of - _DAY}'"
            connection.execute(
                f"create table held.{table} as select * from raw.{table} where {is_of_last_day}"
            )
            ((deleted,),) = connection.execute(
                f"delete from raw.{table} where {is_of_last_day}"
            ).fetchall()
            events = events or deleted
    return int(events)


def _empty(before: Path, empty: Path) -> None:
    """Copy a warehouse without its rows; the key of its ids stays."""
    shutil.copy(before, empty)
    with closing(open_warehouse(empty)) as connection:
        for table in (*_TIMES, "order_lines", "products", "campaigns"):
            connection.execute(f"delete from raw.{table}")


def _bring(warehouse: Path) -> None:
    """Load the rows that were held back, as the loader would a day later."""
    with closing(open_warehouse(warehouse)) as connection:
        for table in _TIMES:
            connection.execute(
                f"insert into raw.{table} select * replace (_loaded_at + interval 1 day as"
                f" _loaded_at) from held.{table}"
            )


def _build(shop: Shop, warehouse: Path, as_of: datetime) -> float:
    """Run all models and return the seconds of the whole command."""
    return shop.checkout.time(
        "dbt",
        *("--quiet", "run", "--target-path", shop.checkout.root / "data" / "timed"),
        MAILMART_WAREHOUSE=str(warehouse),
        MAILMART_AS_OF=as_of.isoformat(),
    ).wall_seconds


def _read_share(warehouse: Path) -> float:
    """Return the share of the people that the build has computed anew."""
    with closing(open_warehouse(warehouse, read_only=True)) as connection:
        ((reason, touched, people),) = connection.execute(
            """
            select
                (
                    select arg_max(coalesce(rebuild_reason, ''), began_at)
                    from intermediate.build_states
                ),
                (select count(*) from intermediate.int_profiles__touched),
                (select count(*) from intermediate.int_profiles__resolved)
            """
        ).fetchall()
    if reason:
        raise BenchmarkError(f"the next day was built from nothing: {reason}")
    return float(touched / people)
