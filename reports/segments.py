"""Segments: their sizes now and at each build that wrote their history, and who came and went."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from reports import relations
from reports.builds import Builds

# As many builds as a small chart can tell apart: three months of daily ones.
BUILDS = 90

# A build that goes back in time leaves the history as it is.
_WRITERS = """
    select distinct as_of
    from (
        select
            as_of,
            max(as_of) over (
                order by built_at rows between unbounded preceding and 1 preceding
            ) as newest_before
        from marts.fct_builds
    ) as builds
    where (newest_before is null or as_of > newest_before) and as_of <= $as_of
"""


@dataclass(frozen=True)
class Size:
    """Members of a segment at the `as_of` of a build."""

    as_of: datetime
    profiles: int


@dataclass(frozen=True)
class Segment:
    """A segment now; who entered and left since the previous build, None where there is none."""

    name: str
    description: str | None
    profiles: int
    entered: int | None
    left: int | None
    sizes: list[Size]


@dataclass(frozen=True)
class Segments:
    """All segments, the largest first, and since when entries and exits are counted."""

    each: list[Segment]
    since: datetime | None

    @property
    def builds(self) -> int:
        """The most builds of which a segment has a size."""
        return max((len(segment.sizes) for segment in self.each), default=0)


def read(connection: duckdb.DuckDBPyConnection, builds: Builds) -> Segments | None:
    """Count the members of each segment; None where there are no segments."""
    tables = ("marts.profile_segments", "marts.fct_segment_spells", "sync.segments")
    if not relations.are_there(connection, *tables):
        return None
    as_of = builds.current.as_of
    since = builds.previous.as_of if builds.previous else None
    sizes: dict[str, list[Size]] = {}
    for name, instant, profiles in _count_by_build(connection, as_of):
        sizes.setdefault(name, []).append(Size(instant, profiles))
    found = relations.ask(
        connection,
        """
        with

        members as (
            select segment, count(*) as profiles
            from marts.profile_segments
            group by segment
        ),

        moves as (
            select
                segment,
                count(*) filter (where entered_at > $since and entered_at <= $as_of) as entered,
                count(*) filter (where exited_at > $since and exited_at <= $as_of) as exited
            from marts.fct_segment_spells
            group by segment
        )

        select
            segments.segment,
            segments.description,
            coalesce(members.profiles, 0) as profiles,
            case when $since is not null then coalesce(moves.entered, 0) end as entered,
            case when $since is not null then coalesce(moves.exited, 0) end as exited
        from sync.segments as segments
        left join members on segments.segment = members.segment
        left join moves on segments.segment = moves.segment
        order by profiles desc, segments.segment
        """,
        {"since": since, "as_of": as_of},
    )
    if not found:
        return None
    each = [
        Segment(name, description, profiles, entered, left, sizes.get(name, []))
        for name, description, profiles, entered, left in found
    ]
    return Segments(each, since)


def _count_by_build(
    connection: duckdb.DuckDBPyConnection, as_of: datetime
) -> list[tuple[str, datetime, int]]:
    found = relations.ask(
        connection,
        f"""
        with

        writers as (
            select as_of from ({_WRITERS}) as writers
            order by as_of desc
            limit $builds
        )

        select segments.segment, writers.as_of, count(spells.profile_id) as profiles
        from sync.segments as segments
        cross join writers
        left join marts.fct_segment_spells as spells
            on
                segments.segment = spells.segment
                and writers.as_of >= spells.entered_at
                and writers.as_of < coalesce(spells.exited_at, 'infinity'::timestamp)
        group by segments.segment, writers.as_of
        order by segments.segment, writers.as_of
        """,
        {"as_of": as_of, "builds": BUILDS},
    )
    return [(name, instant, profiles) for name, instant, profiles in found]
