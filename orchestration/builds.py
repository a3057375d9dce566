"""Which build the tables of a warehouse are of."""

from __future__ import annotations

from datetime import datetime

import duckdb


class NothingBuilt(RuntimeError):
    """There are no models to train on or to deliver: none yet, or those of two moments."""


def find_built_as_of(connection: duckdb.DuckDBPyConnection) -> datetime:
    """Return the instant of which the tables speak: that of the newest build.

    Raises `NothingBuilt` where there is none, or where a later one has begun and did not finish:
    some tables are then of that one, and some of the one before.
    """
    tables = {
        table
        for (table,) in connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
        ).fetchall()
    }
    if "marts.fct_builds" not in tables:
        raise NothingBuilt("nothing was built in this warehouse yet; run `mailmart run` first")
    if "intermediate.unfinished_builds" in tables:
        unfinished = connection.execute(
            "select as_of, began_at from intermediate.unfinished_builds"
            " order by began_at desc limit 1"
        ).fetchone()
        if unfinished is not None:
            raise NothingBuilt(
                f"the build as of {unfinished[0].isoformat(timespec='seconds')}Z that began at "
                f"{unfinished[1].isoformat(timespec='seconds')}Z did not finish, and the tables "
                "are of two moments; run `mailmart run` again"
            )
    ((as_of,),) = connection.execute(
        "select max_by(as_of, built_at) from marts.fct_builds"
    ).fetchall()
    if not isinstance(as_of, datetime):
        raise NothingBuilt("nothing was built in this warehouse yet; run `mailmart run` first")
    return as_of
