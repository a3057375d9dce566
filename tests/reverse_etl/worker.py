"""A process that delivers day after day, made to be killed: `python -m … FOLDER DAYS MODE KILL_AT`.

Each day's desired state is a function of the day. In the mode `again` a day that was not finished
is delivered again; in the mode `onwards` the world has moved by a day meanwhile. KILL_AT is the
number of the progress report at which the process kills itself, 0 for never.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import duckdb

from reverse_etl import ledger
from reverse_etl.delivery import deliver
from tests.reverse_etl.shop import MONDAY, TABLES, configured

PEOPLE = 400


def build(connection: duckdb.DuckDBPyConnection, day: int) -> None:
    """Make what is desired on a day: people come, go and change, some for ever."""
    connection.execute(
        f"""
        drop schema if exists sync cascade;
        {TABLES}
        insert into sync.profiles (profile_id, email, first_name, engagement_tier)
        select
            'p' || number, 'p' || number || '@example.com',
            'name ' || (number * {day} // 7) % 3, 'lapsing'
        from range({PEOPLE}) as numbers(number)
        where (number + {day}) % 5 <> 0 and (number % 50 <> 7 or {day} < number % 11);

        insert into sync.segment_members
        select 'segment_' || segment, profile_id, email, 'item ' || (hash(profile_id) + {day}) % 4
        from sync.profiles, range(3) as segments(segment)
        where (hash(profile_id, segment) + {day} // 2) % 3 = 0;

        insert into sync.suppressions
        select 'p' || number, 'p' || number || '@example.com', 'unsubscribe'
        from range({PEOPLE}) as numbers(number)
        where number % 50 = 7 and {day} >= number % 11 and (number + {day}) % 5 <> 0;
        """
    )


def main(folder: Path, days: int, mode: str, kill_at: int) -> None:
    connection = duckdb.connect(str(folder / "warehouse.duckdb"))
    connection.execute("set threads = 1")
    connection.execute("create table if not exists tries (day bigint)")
    ledger.prepare(connection)
    heard = 0

    def report(what: str, done: int, total: int) -> None:
        nonlocal heard
        heard += 1
        if heard == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    last = ledger.last_delivered_as_of(connection, "file")
    day = 0 if last is None else (last - MONDAY.replace(tzinfo=None)).days + 1
    if mode == "onwards":
        ((tried,),) = connection.execute("select coalesce(max(day), -1) from tries").fetchall()
        day = max(day, min(tried + 1, days - 1))
    for today in range(day, days):
        connection.execute("insert into tries values (?)", [today])
        build(connection, today)
        now = MONDAY + timedelta(days=today)
        (outcome,) = deliver(
            connection,
            configured(brakes={"max_removed_share": 1.0, "max_tier_shift": 1.0}),
            as_of=now,
            at=now,
            run_id=f"day-{today}",
            outbox=folder / "outbox",
            report=report,
        )
        if outcome.status not in ("delivered", "nothing_to_do"):
            raise SystemExit(outcome.sentence)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
