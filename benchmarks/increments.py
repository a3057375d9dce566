"""A day that goes on from the day before, beside one pass over the email events.

What dbt costs on a warehouse without a row, and the command on a tiny one, is taken off: it is the
same for any amount of data.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks.models import time_pass
from benchmarks.timing import BenchmarkError, Spread
from benchmarks.workshop import Shop, Tell, name_outbox
from orchestration.database import name_models_folder, open_warehouse
from orchestration.publication import name_publication

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
class Day:
    """What the next day costs, and one on which nothing came; multiples are of the one pass.

    `fixed` are the seconds that it takes on a warehouse with no data to speak of.
    """

    fixed: Spread
    next_day: Spread
    empty_day: Spread


@dataclass(frozen=True)
class Increments:
    """The models alone, built by `dbt run`, and the whole command.

    `events` are the email events of the next day, `touched` is the share of the people about whom
    anything arrived on it.
    """

    events: int
    touched: float
    models: Day
    command: Day


def measure(shop: Shop, tiny: Shop, folder: Path, repeats: int, tell: Tell) -> Increments:
    """Run a shop as of its last day but one, then build it, and run it, as of the two after it.

    On the first of these the last day's rows have come, on the second none. Each time begins from
    a copy of the same warehouse. The tiny shop has been run, and is run with the same models.
    """
    folder.mkdir()
    before, empty, few = (folder / f"{name}.duckdb" for name in ("before", "empty", "few"))
    events = _hold_back(shop, before)
    shutil.copy(tiny.warehouse, few)
    for source, target in zip(_list_folders(tiny.warehouse), _list_folders(few), strict=True):
        _copy_folder(source, target)
    tell("increments: the days before")
    for warehouse in (before, few):
        _copy_folder(name_models_folder(shop.warehouse), name_models_folder(warehouse))
    _run(shop, before, shop.as_of - _DAY)
    _empty(before, empty)
    _build(shop, empty, shop.as_of - _DAY)
    _run(tiny, few, tiny.as_of)
    touched = 0.0
    models, commands = [], []
    for repeat in range(repeats):
        tell(f"increments: {repeat + 1} of {repeats}")
        later = (repeat + 1) * _DAY
        warehouse = _copy(before, folder / "warehouse.duckdb")
        one_pass = time_pass(warehouse)
        fixed = _build(shop, empty, shop.as_of + later)
        next_day = (_build(shop, warehouse, shop.as_of) - fixed) / one_pass
        touched = _read_share(warehouse)
        empty_day = (_build(shop, warehouse, shop.as_of + _DAY) - fixed) / one_pass
        models.append((fixed, next_day, empty_day))
        warehouse = _copy(before, folder / "warehouse.duckdb")
        fixed = _run(tiny, few, tiny.as_of + later)
        next_day = (_run(shop, warehouse, shop.as_of) - fixed) / one_pass
        _read_share(warehouse)
        empty_day = (_run(shop, warehouse, shop.as_of + _DAY) - fixed) / one_pass
        commands.append((fixed, next_day, empty_day))
    return Increments(
        events,
        touched,
        Day(*map(Spread.of, zip(*models, strict=True))),
        Day(*map(Spread.of, zip(*commands, strict=True))),
    )


def _hold_back(shop: Shop, before: Path) -> int:
    """Copy the raw tables of a shop and put the last day's rows aside; return the email events."""
    shutil.copy(shop.warehouse, before)
    events = 0
    with closing(open_warehouse(before)) as connection:
        # What was built, scored and told of the last day is of no day before.
        for (schema,) in connection.execute(
            "select schema_name from duckdb_schemas() where database_name = current_database()"
            " and not internal and schema_name not in ('main', 'raw')"
        ).fetchall():
            connection.execute(f"drop schema {schema} cascade")
        for judged in ("door_verdicts", "door_figures"):
            connection.execute(f"delete from raw.{judged}")
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
            # So the last day's rows came a day later.
            connection.execute(f"update raw.{table} set _loaded_at = _loaded_at - interval 1 day")
            # The last door would ask where they are.
            connection.execute(
                "update raw.loaded_files as files set rows_loaded = rows_loaded - held.row_count"
                f" from (select _file, count(*) as row_count from held.{table} group by _file)"
                f" as held where files.table_name = '{table}' and files.path = held._file"
            )
    return int(events)


def _empty(before: Path, empty: Path) -> None:
    """Copy a warehouse without its rows; the key of its ids stays."""
    shutil.copy(before, empty)
    with closing(open_warehouse(empty)) as connection:
        for table in (*_TIMES, "order_lines", "products", "campaigns"):
            connection.execute(f"delete from raw.{table}")


def _copy(before: Path, warehouse: Path) -> Path:
    """Copy the warehouse of the days before, with what lies beside it, and bring the rows."""
    shutil.copy(before, warehouse)
    for source, target in zip(_list_folders(before), _list_folders(warehouse), strict=True):
        _copy_folder(source, target)
    _bring(warehouse)
    return warehouse


def _list_folders(warehouse: Path) -> list[Path]:
    """Return the folders that runs keep beside a warehouse."""
    published = name_publication(warehouse).with_suffix("")
    return [name_models_folder(warehouse), published, name_outbox(warehouse)]


@contextmanager
def _in_one_place(warehouse: Path) -> Iterator[Path]:
    """Move a warehouse to where all are timed: dbt reads the project anew for another path."""
    place = warehouse.with_name("timed.duckdb")
    moved = list(
        zip([warehouse, *_list_folders(warehouse)], [place, *_list_folders(place)], strict=True)
    )
    for home, there in moved:
        if home.exists():
            home.rename(there)
    try:
        yield place
    finally:
        for home, there in moved:
            if there.exists():
                there.rename(home)


def _copy_folder(source: Path, target: Path) -> None:
    """Put a copy of a folder in the place of another; of few people there are no models."""
    shutil.rmtree(target, ignore_errors=True)
    if source.exists():
        # Nothing is ever written to a file that is there.
        shutil.copytree(source, target, copy_function=os.link)


def _bring(warehouse: Path) -> None:
    """Load the rows that were held back."""
    with closing(open_warehouse(warehouse)) as connection:
        for table in _TIMES:
            connection.execute(f"insert into raw.{table} from held.{table}")


def _build(shop: Shop, warehouse: Path, as_of: datetime) -> float:
    """Run all models and return the seconds of the whole command."""
    with _in_one_place(warehouse) as place:
        return shop.checkout.time(
            "dbt",
            *("--quiet", "run", "--target-path", shop.checkout.root / "data" / "timed"),
            MAILMART_WAREHOUSE=str(place),
            MAILMART_AS_OF=as_of.isoformat(),
        ).wall_seconds


def _run(shop: Shop, warehouse: Path, as_of: datetime) -> float:
    """Run the main job and return the seconds of the whole command."""
    with _in_one_place(warehouse) as place:
        return shop.run(place, as_of).wall_seconds


def _read_share(warehouse: Path) -> float:
    """Return the share of the people that the build has computed anew.

    Raises `BenchmarkError` where these were all, because it did not go on.
    """
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
