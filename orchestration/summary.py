"""What a run came to, for somebody who knows the shop and not the tables."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import dagster as dg
import duckdb
from rich.console import Console
from rich.table import Table

from orchestration.jobs import Result
from orchestration.publication import name_publication

_TIERS = ("highly_engaged", "moderately_engaged", "lapsing", "inactive")
REFUSALS = {
    "no_consent": "never consented",
    "consent_withdrawn": "withdrew the consent",
    "consent_expired": "the consent expired",
    "hard_bounce": "the address is dead",
    "destination": "a destination refused",
    "complaint": "complained",
    "unsubscribe": "unsubscribed",
    "erasure_requested": "asked to be forgotten",
}

# What the summary reads. Where a run did not come to all of it, the rest is of another instant.
READS = frozenset(
    dg.AssetKey(list(key))
    for key in (
        ("marts", "dim_profiles"),
        ("marts", "fct_builds"),
        ("marts", "fct_engagement_tier_spells"),
        ("marts", "fct_segment_members"),
        ("marts", "fct_segment_spells"),
        ("sync", "sync_segment_members"),
        ("sync", "sync_segments"),
        ("sync", "sync_suppressions"),
    )
)


def can_show(result: Result) -> bool:
    """Tell whether a run has built everything that its summary is about."""
    return result.connection is not None and result.materialized >= READS


def show(result: Result, console: Console) -> None:
    """Print profiles, tiers now and before, segments, what goes out and what was held back."""
    connection = result.connection
    if connection is None:
        return
    as_of, before = connection.execute(
        """
        with builds as (select distinct as_of from marts.fct_builds),
        newest as (select max_by(as_of, built_at) as as_of from marts.fct_builds)
        select newest.as_of, max(builds.as_of) filter (where builds.as_of < newest.as_of)
        from newest cross join builds
        group by newest.as_of
        """
    ).fetchall()[0]
    console.print()
    profiles, mailable = connection.execute(
        "select count(*), count(*) filter (where may_be_mailed) from marts.dim_profiles"
    ).fetchall()[0]
    console.print(
        f"[bold]{profiles:,} profiles[/] as of {as_of:%Y-%m-%d %H:%M} UTC, "
        f"{mailable:,} of them may be mailed."
    )
    console.print(tabulate_tiers(connection, as_of, before or as_of - timedelta(days=7)))
    console.print(tabulate_segments(connection, as_of))
    held_back = tabulate_held_back(connection)
    console.print(held_back if held_back.row_count else "Nobody is held back.")
    for line in result.lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    file = connection.execute("select path from duckdb_databases() where not internal").fetchall()
    if result.report is not None:
        console.print(f"\nThe report is {result.report}", highlight=False, soft_wrap=True, end="")
    console.print(
        f"\nThe run is {result.run_id[:8]} in `make ui`; the tables are in {file[0][0]}, and for "
        f"readers, who never wait, in {name_publication(Path(file[0][0]))}",
        highlight=False,
        soft_wrap=True,
    )


def tabulate_tiers(connection: duckdb.DuckDBPyConnection, as_of: object, before: object) -> Table:
    """Return the tiers at two instants."""
    rows = dict.fromkeys(_TIERS, (0, 0))
    rows |= {
        tier: (now, then)
        for tier, now, then in connection.execute(
            """
            select
                engagement_tier,
                count(*) filter (
                    where valid_from <= $as_of and (valid_to is null or valid_to > $as_of)
                ),
                count(*) filter (
                    where valid_from <= $before and (valid_to is null or valid_to > $before)
                )
            from marts.fct_engagement_tier_spells
            group by engagement_tier
            """,
            {"as_of": as_of, "before": before},
        ).fetchall()
    }
    table = Table("tier", title="Engagement", title_justify="left", box=None, pad_edge=False)
    table.add_column("now", justify="right")
    table.add_column(f"{before:%Y-%m-%d %H:%M}", justify="right")
    table.add_column("change", justify="right")
    for tier, (now, then) in rows.items():
        table.add_row(tier, f"{now:,}", f"{then:,}", f"{now - then:+,}")
    return table


def tabulate_segments(connection: duckdb.DuckDBPyConnection, as_of: object) -> Table:
    """Return the size of each segment with what this build saw enter and leave it."""
    table = Table("segment", title="Segments", title_justify="left", box=None, pad_edge=False)
    for column in ("members", "entered", "left", "may be mailed"):
        table.add_column(column, justify="right")
    for name, *counts in connection.execute(
        """
        with spells as (
            select
                segment,
                count(*) filter (where entered_at = $as_of) as entered,
                count(*) filter (where exited_at = $as_of) as exited
            from marts.fct_segment_spells
            group by segment
        ),
        members as (
            select segment, count(*) as members from marts.fct_segment_members group by segment
        ),
        mailable as (
            select segment, count(*) as mailable from sync.segment_members group by segment
        )
        select
            segment, coalesce(members, 0), coalesce(entered, 0), coalesce(exited, 0),
            coalesce(mailable, 0)
        from sync.segments
        left join members using (segment)
        left join spells using (segment)
        left join mailable using (segment)
        order by segment
        """,
        {"as_of": as_of},
    ).fetchall():
        table.add_row(name, *(f"{count:,}" for count in counts))
    return table


def tabulate_held_back(connection: duckdb.DuckDBPyConnection) -> Table:
    """Return how many are left alone, and why."""
    table = Table(
        "left alone because", title="Held back", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("profiles", justify="right")
    for reason, count in connection.execute(
        "select reason, count(*) from sync.suppressions group by reason order by 2 desc, 1"
    ).fetchall():
        table.add_row(REFUSALS.get(reason, reason), f"{count:,}")
    return table
