"""Which build the page tells of, and which one it is compared with."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from reports import relations

TABLE = "marts.fct_builds"
UNFINISHED = "intermediate.unfinished_builds"


@dataclass(frozen=True)
class Build:
    """One build on record. Times are UTC without a zone."""

    as_of: datetime
    built_at: datetime
    code_version: str | None
    churn_model_version: str | None
    open_model_version: str | None
    profiles: int


@dataclass(frozen=True)
class Builds:
    """The build that made the marts, and the newest one that saw less of the past, if any."""

    current: Build
    previous: Build | None


def is_unfinished(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether a build has begun and did not finish: the tables are then of two moments."""
    return relations.are_there(connection, UNFINISHED) and relations.ask(
        connection, f"select count(*) > 0 from {UNFINISHED}"
    ) == [(True,)]


def read(connection: duckdb.DuckDBPyConnection) -> Builds | None:
    """Return the last build on record and the one to compare it with; None where there is none.

    A build at the same `as_of`, or a later one, saw no earlier time: nothing moved since.
    """
    if not relations.are_there(connection, TABLE):
        return None
    found = relations.ask(
        connection,
        f"""
        select
            as_of, built_at, code_version, churn_model_version, open_model_version,
            dim_profiles_rows
        from {TABLE}
        where as_of <= (select max_by(as_of, built_at) from {TABLE})
        -- Of the builds at one as_of the last one counts.
        qualify row_number() over (partition by as_of order by built_at desc) = 1
        order by as_of desc
        limit 2
        """,
    )
    if not found:
        return None
    builds = [Build(*row) for row in found]
    return Builds(builds[0], builds[1] if len(builds) > 1 else None)
