"""Volume: how many rows a load brought, beside what the loads before it brought."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import duckdb

from expectations import changes, verdicts
from expectations.changes import tell_fall, tell_growth
from expectations.gate import Measure
from expectations.raw_tables import EXPECTED, Columns, has_usable
from expectations.settings import DoorSettings
from expectations.verdicts import Pass

# What the name of the figure that counts a table's rows begins with.
_ROWS: Final = "rows of "


def measure(
    connection: duckdb.DuckDBPyConnection,
    columns: Columns,
    settings: DoorSettings,
    door: str,
    *,
    as_of: datetime,
    judged_at: datetime,
) -> tuple[list[Measure], dict[str, float]]:
    """Measure the rows that came into each table since the door last let a batch through.

    Returns the measures, and the figures that later loads are compared with; a run that brought
    no row is no load and leaves none.
    """
    rows = _count_rows(connection, columns, door)
    is_load = any(rows.values())
    fewer, more = settings.after_loading.fewer_rows, settings.after_loading.more_rows
    passes = [
        changes.find_passes(connection, door, rule, as_of=as_of, judged_at=judged_at, count=count)
        for rule, count in (
            (fewer, max((bound.loads for _, bound in fewer.bounds()), default=0)),
            (more, max((bound.loads for _, bound in more.bounds()), default=0)),
        )
    ]
    measures = []
    for table, now in rows.items():
        for severity, fall in fewer.bounds():
            loads = passes[0][: fall.loads]
            least = min(_list_rows(loads, table), default=0.0)
            measures.append(
                Measure(
                    rule="fewer_rows",
                    table=table,
                    severity=severity,
                    observed=max(0.0, (least - now) / least) if least else None,
                    at_most=fall.share_at_most,
                    is_judged=(
                        is_load
                        and len(loads) == fall.loads
                        and least >= fall.rows_at_least
                        and _is_due(loads, judged_at)
                    ),
                    fact=(
                        f"{_tell(table, now)}{_tell_loads(loads, 'smallest', least)}"
                        f"{tell_fall(fall) if least else ''}"
                    ),
                    way_out=_find_way_out(
                        "a file is missing", loads, f"{door}.fewer_rows", settings
                    ),
                )
            )
        for severity, growth in more.bounds():
            loads = passes[1][: growth.loads]
            most = max(_list_rows(loads, table), default=0.0)
            measures.append(
                Measure(
                    rule="more_rows",
                    table=table,
                    severity=severity,
                    observed=max(0.0, (now - most) / most) if most else None,
                    at_most=growth.growth_at_most,
                    is_judged=(
                        is_load and len(loads) == growth.loads and most >= growth.rows_at_least
                    ),
                    fact=(
                        f"{_tell(table, now)}{_tell_loads(loads, 'largest', most)}"
                        f"{tell_growth(growth) if most else ''}"
                    ),
                    way_out=_find_way_out(
                        "something came twice", loads, f"{door}.more_rows", settings
                    ),
                )
            )
    return measures, {f"{_ROWS}{table}": float(now) for table, now in rows.items() if is_load}


def _count_rows(
    connection: duckdb.DuckDBPyConnection, columns: Columns, door: str
) -> dict[str, int]:
    """Return per table the rows loaded since the door last passed, whoever loaded them."""
    since = datetime.min  # noqa: DTZ901 - moments are UTC without a zone here
    if "door_verdicts" in columns:
        since = verdicts.read_last_passed_at(connection, door) or since
    tables = [table for table in EXPECTED if has_usable(columns, table, "_loaded_at")]
    if not tables:
        return {}
    # Rows of one load lie together, so old ones are skipped by the statistics of their row groups.
    counts = " union all ".join(
        f'select count(*) as row_count, {place} as place from raw."{table}" '
        "where _loaded_at > $since"
        for place, table in enumerate(tables)
    )
    rows = connection.execute(f"select * from ({counts}) order by place", {"since": since})
    return dict(zip(tables, (row_count for row_count, _ in rows.fetchall()), strict=True))


def _list_rows(loads: Sequence[Pass], table: str) -> list[float]:
    return [load.figures.get(f"{_ROWS}{table}", 0.0) for load in loads]


def _is_due(loads: Sequence[Pass], judged_at: datetime) -> bool:
    """Tell whether enough time has passed for a load like the others.

    A mended file that is loaded an hour after the day's files is no day's load.
    """
    times = [load.judged_at for load in loads]
    shortest = min((later - earlier for later, earlier in pairwise(times)), default=timedelta(0))
    return (judged_at - times[0]) * 2 >= shortest


def _tell(table: str, now: int) -> str:
    return f"{now} {'row' if now == 1 else 'rows'} came into raw.{table}"


def _tell_loads(loads: Sequence[Pass], which: str, rows: float) -> str:
    return f", {rows:.0f} in the {which} of the last {len(loads)} loads" if loads else ""


def _find_way_out(guess: str, loads: Sequence[Pass], key: str, settings: DoorSettings) -> str:
    if not loads:
        return ""
    # Up to the next whole second: the file's times are written by hand.
    moment = loads[0].judged_at.replace(microsecond=0) + timedelta(seconds=1)
    return (
        f"look in the landing folder whether {guess}; if it is right, set {key}.reviewed_until in "
        f"{settings.source} to {moment.isoformat()}Z, and a new history begins"
    )
