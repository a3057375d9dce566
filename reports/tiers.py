"""Engagement tiers: how many profiles are in each, were in each, and moved between them."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from reports import relations
from reports.builds import Builds

# The most engaged first, as everywhere on the page.
TIERS = ("highly_engaged", "moderately_engaged", "lapsing", "inactive")
NOT_YET_SEEN = "not_yet_seen"
WEEKS = 26

_SPELLS = "marts.fct_engagement_tier_spells"


@dataclass(frozen=True)
class TierCount:
    """Profiles in a tier, and how many it would hold if engagement were counted otherwise."""

    tier: str
    profiles: int
    all_opens: int
    clicks_only: int


@dataclass(frozen=True)
class InactiveCount:
    """Inactive profiles for one reason."""

    reason: str
    profiles: int


@dataclass(frozen=True)
class WeekMix:
    """Profiles in a tier at an instant, whole weeks before `as_of`."""

    instant: datetime
    tier: str
    profiles: int


@dataclass(frozen=True)
class Flow:
    """Profiles by their tier at the previous build and now; they may be the same."""

    tier_before: str
    tier_now: str
    profiles: int

    @property
    def direction(self) -> str:
        """One of new, up, down and stayed; up is towards more engagement."""
        if self.tier_before == NOT_YET_SEEN:
            return "new"
        step = TIERS.index(self.tier_before) - TIERS.index(self.tier_now)
        return "stayed" if step == 0 else "up" if step > 0 else "down"


@dataclass(frozen=True)
class Tiers:
    """Tiers now, over the last weeks, and the flows since the previous build if there was one."""

    now: list[TierCount]
    inactive: list[InactiveCount]
    weeks: list[WeekMix]
    flows: list[Flow]
    since: datetime | None

    @property
    def profiles(self) -> int:
        """Profiles of all tiers now."""
        return sum(each.profiles for each in self.now)

    def moved(self, direction: str) -> int:
        """Count the profiles that moved up or down, stayed, or are new."""
        return sum(flow.profiles for flow in self.flows if flow.direction == direction)

    def before(self, tier: str) -> int:
        """Count the profiles that were in a tier at the previous build."""
        return sum(flow.profiles for flow in self.flows if flow.tier_before == tier)

    def flow(self, before: str, now: str) -> int:
        """Count the profiles that went from one tier to another."""
        return sum(
            flow.profiles
            for flow in self.flows
            if (flow.tier_before, flow.tier_now) == (before, now)
        )


def read(connection: duckdb.DuckDBPyConnection, builds: Builds) -> Tiers | None:
    """Count the profiles by tier; None where there are no profiles."""
    if not relations.are_there(connection, "marts.dim_profiles", _SPELLS):
        return None
    now = [
        TierCount(*row)
        for row in relations.ask(
            connection,
            """
            select
                tier,
                count(*) filter (where engagement_tier = tier) as profiles,
                count(*) filter (where engagement_tier_all_opens = tier) as all_opens,
                count(*) filter (where engagement_tier_clicks_only = tier) as clicks_only
            from marts.dim_profiles
            cross join unnest($tiers) as tiers (tier)
            group by tier
            order by list_position($tiers, tier)
            """,
            {"tiers": list(TIERS)},
        )
    ]
    if not now:
        return None
    previous = builds.previous
    return Tiers(
        now=now,
        inactive=_count_inactive(connection),
        weeks=_count_by_week(connection, builds.current.as_of),
        flows=_count_flows(connection, previous.as_of, builds.current.as_of) if previous else [],
        since=previous.as_of if previous else None,
    )


def _count_inactive(connection: duckdb.DuckDBPyConnection) -> list[InactiveCount]:
    return [
        InactiveCount(*row)
        for row in relations.ask(
            connection,
            """
            select inactive_reason, count(*) as profiles
            from marts.dim_profiles
            where inactive_reason is not null
            group by inactive_reason
            order by profiles desc, inactive_reason
            """,
        )
    ]


def _count_by_week(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> list[WeekMix]:
    """Count each tier at `as_of` and whole weeks before it, back to when anybody was known."""
    return [
        WeekMix(*row)
        for row in relations.ask(
            connection,
            f"""
            with

            instants as (
                select $as_of::timestamp - to_days(7 * week::integer) as instant
                from generate_series(0, $weeks) as weeks (week)
            ),

            counted as (
                select
                    instants.instant,
                    tiers.tier,
                    count(spells.profile_id) as profiles
                from instants
                cross join unnest($tiers) as tiers (tier)
                left join {_SPELLS} as spells
                    on
                        tiers.tier = spells.engagement_tier
                        and instants.instant >= spells.valid_from
                        and instants.instant < coalesce(spells.valid_to, 'infinity'::timestamp)
                group by instants.instant, tiers.tier
            )

            select instant, tier, profiles
            from counted
            qualify sum(profiles) over (partition by instant) > 0
            order by instant, list_position($tiers, tier)
            """,
            {"as_of": as_of, "weeks": WEEKS, "tiers": list(TIERS)},
        )
    ]


def _count_flows(
    connection: duckdb.DuckDBPyConnection, before: datetime, now: datetime
) -> list[Flow]:
    return [
        Flow(*row)
        for row in relations.ask(
            connection,
            f"""
            with

            earlier as (
                select profile_id, engagement_tier
                from {_SPELLS}
                where valid_from <= $before and coalesce(valid_to > $before, true)
            ),

            current as (
                select profile_id, engagement_tier
                from {_SPELLS}
                where valid_from <= $now and coalesce(valid_to > $now, true)
            )

            select
                coalesce(earlier.engagement_tier, $not_yet_seen) as tier_before,
                current.engagement_tier as tier_now,
                count(*) as profiles
            from current
            left join earlier on current.profile_id = earlier.profile_id
            group by earlier.engagement_tier, current.engagement_tier
            order by list_position($tiers, tier_before), list_position($tiers, tier_now)
            """,
            {"before": before, "now": now, "tiers": list(TIERS), "not_yet_seen": NOT_YET_SEEN},
        )
    ]
