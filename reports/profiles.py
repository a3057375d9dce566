"""How many profiles there are, how many may be mailed, and why the others may not."""

from dataclasses import dataclass

import duckdb

from reports import relations


@dataclass(frozen=True)
class Reason:
    """Profiles that are not mailed, for one reason."""

    name: str
    profiles: int


@dataclass(frozen=True)
class Profiles:
    """All profiles; those who may be mailed at `as_of`; those whom delivery may be told of.

    The last are None, and reasons empty, where no desired state is built.
    """

    total: int
    may_be_mailed: int
    deliverable: int | None
    held_back: list[Reason]


def read(connection: duckdb.DuckDBPyConnection) -> Profiles | None:
    """Count the profiles; None where there are none."""
    if not relations.are_there(connection, "marts.dim_profiles"):
        return None
    ((total, may_be_mailed),) = relations.ask(
        connection,
        "select count(*), count(*) filter (where may_be_mailed) from marts.dim_profiles",
    )
    if not total:
        return None
    deliverable, held_back = None, []
    if relations.are_there(connection, "sync.profiles", "sync.suppressions"):
        ((deliverable,),) = relations.ask(connection, "select count(*) from sync.profiles")
        held_back = [
            Reason(*row)
            for row in relations.ask(
                connection,
                """
                select coalesce(reason, 'not_given') as reason, count(*) as profiles
                from sync.suppressions
                group by 1
                order by profiles desc, reason
                """,
            )
        ]
    return Profiles(total, may_be_mailed, deliverable, held_back)
