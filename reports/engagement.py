"""Opens and clicks by week, people's and machines'."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from reports import relations

WEEKS = 26


@dataclass(frozen=True)
class Week:
    """Events of one kind in the seven days up to `until`, which is inside."""

    until: datetime
    kind: str
    human: int
    machine: int


@dataclass(frozen=True)
class MachineReason:
    """Events that no person did, by the rule that says so, in the weeks shown."""

    kind: str
    reason: str
    events: int


@dataclass(frozen=True)
class Engagement:
    """The last weeks, oldest first, and why events are machines'."""

    weeks: list[Week]
    reasons: list[MachineReason]

    def of(self, kind: str) -> list[Week]:
        """Return the weeks of opens or of clicks."""
        return [week for week in self.weeks if week.kind == kind]

    def machine_share(self, kind: str) -> float | None:
        """Return which share of the events was no person's; None where there are no events."""
        machine = sum(week.machine for week in self.of(kind))
        total = machine + sum(week.human for week in self.of(kind))
        return machine / total if total else None


def read(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> Engagement | None:
    """Count opens and clicks of the last weeks up to `as_of`; None where there are none."""
    if not relations.are_there(connection, "marts.fct_email_events"):
        return None
    bounds = {"as_of": as_of, "weeks": WEEKS}
    weeks = [
        Week(*row)
        for row in relations.ask(
            connection,
            """
            with

            counted as (
                select
                    event_type as kind,
                    date_diff('microsecond', occurred_at, $as_of::timestamp)
                        // (7 * 86_400_000_000) as week,
                    count(*) filter (where is_human) as human,
                    count(*) filter (where not is_human) as machine
                from marts.fct_email_events
                where
                    event_type in ('open', 'click')
                    and occurred_at <= $as_of
                    and occurred_at > $as_of::timestamp - to_days(7 * $weeks::integer)
                group by all
            ),

            -- A week without anything is a week all the same, from the first with anything on.
            weeks as (
                select kind, week
                from generate_series(0, (select max(week) from counted)) as weeks (week)
                cross join unnest(['open', 'click']) as kinds (kind)
            )

            select
                $as_of::timestamp - to_days(7 * weeks.week::integer) as until,
                weeks.kind,
                coalesce(counted.human, 0) as human,
                coalesce(counted.machine, 0) as machine
            from weeks
            left join counted on weeks.kind = counted.kind and weeks.week = counted.week
            order by weeks.kind, until
            """,
            bounds,
        )
    ]
    reasons = [
        MachineReason(*row)
        for row in relations.ask(
            connection,
            """
            select event_type as kind, machine_reason as reason, count(*) as events
            from marts.fct_email_events
            where
                event_type in ('open', 'click')
                and not is_human
                and occurred_at <= $as_of
                and occurred_at > $as_of::timestamp - to_days(7 * $weeks::integer)
            group by all
            order by kind desc, events desc, reason
            """,
            bounds,
        )
    ]
    return Engagement(weeks, reasons) if weeks else None
