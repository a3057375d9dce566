"""Which plans change so much that somebody has to look first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import duckdb

from reverse_etl.configuration import Brakes


@dataclass(frozen=True)
class Brake:
    """Say which rule stops a plan, where, and by which figures."""

    rule: Literal["max_removed_share", "max_tier_shift", "lost_ledger"]
    subject: str
    sentence: str


def applied_brakes(
    connection: duckdb.DuckDBPyConnection,
    destination: str,
    brakes: Brakes,
    tier_mix: Mapping[str, int],
) -> tuple[Brake, ...]:
    """Judge the plan in `planned_changes` against what the destination holds."""
    return (
        *_removals(connection, destination, brakes),
        *_tier_shifts(brakes, _last_tier_mix(connection, destination), tier_mix),
    )


def _removals(
    connection: duckdb.DuckDBPyConnection, destination: str, brakes: Brakes
) -> list[Brake]:
    rows = connection.execute(
        """
        with
        held as (
            select null as segment, count(*) as held
            from reverse_etl.acknowledged_profiles
            where destination = $destination

            union all

            select segment, count(*)
            from reverse_etl.acknowledged_members
            where destination = $destination
            group by segment
        ),
        removed as (
            select segment, count(*) as removed
            from planned_changes
            where action = 'remove' and is_acknowledged
            group by segment
        )
        select held.segment, removed.removed, held.held
        from held
        join removed on held.segment is not distinct from removed.segment
        order by held.segment nulls first
        """,
        {"destination": destination},
    ).fetchall()
    found = []
    for segment, removed, held in rows:
        limit = brakes.max_removed_share_by_segment.get(segment, brakes.max_removed_share)
        if removed > brakes.min_removed and _exceeds(removed / held, limit):
            found.append(
                Brake(
                    "max_removed_share",
                    "profiles" if segment is None else f"segment {segment}",
                    f"it removes {removed:,} of {held:,} "
                    f"{'profiles' if segment is None else f'members of {segment}'} "
                    f"({removed / held:.1%}; the brake is at {limit:.0%} "
                    f"and more than {brakes.min_removed:,})",
                )
            )
    return found


def _tier_shifts(brakes: Brakes, before: Mapping[str, int], now: Mapping[str, int]) -> list[Brake]:
    profiles_before, profiles_now = sum(before.values()), sum(now.values())
    if min(profiles_before, profiles_now) < brakes.min_profiles:
        return []
    shares = {
        tier: (before.get(tier, 0) / profiles_before, now.get(tier, 0) / profiles_now)
        for tier in sorted({*before, *now})
    }
    return [
        Brake(
            "max_tier_shift",
            f"tier {tier}",
            f"the share of {tier} went from {then:.1%} of {profiles_before:,} profiles to "
            f"{today:.1%} of {profiles_now:,} since the last delivery (the brake is at "
            f"{100 * brakes.max_tier_shift:g} points)",
        )
        for tier, (then, today) in shares.items()
        if _exceeds(abs(today - then), brakes.max_tier_shift)
    ]


def _exceeds(share: float, limit: float) -> bool:
    """Compare shares: 0.25 - 0.10 is 0.15, whatever the last binary digit says."""
    return round(share - limit, 9) > 0


def _last_tier_mix(connection: duckdb.DuckDBPyConnection, destination: str) -> Mapping[str, int]:
    rows = connection.execute(
        """
        select tier_mix
        from reverse_etl.runs
        where
            destination = ?
            and (delivered + suppressed > 0 or status = 'nothing_to_do')
            and as_of <= "at" + interval 1 day
        order by as_of desc, "at" desc, attempt desc
        limit 1
        """,
        [destination],
    ).fetchall()
    return dict(rows[0][0]) if rows else {}
