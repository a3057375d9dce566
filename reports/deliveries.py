"""What a run told the destinations, what they answered, and who was kept from them."""

from dataclasses import dataclass

import duckdb

from reports import relations


@dataclass(frozen=True)
class Delivery:
    """The last attempt of a run to deliver to one destination, in counts of changes."""

    destination: str
    status: str
    planned: int
    delivered: int
    failed: int
    pending: int
    suppressed: int
    message: str | None


@dataclass(frozen=True)
class Change:
    """Changes of one kind that were planned for a destination."""

    destination: str
    kind: str
    segment: str | None
    added: int
    changed: int
    removed: int


@dataclass(frozen=True)
class Answer:
    """Changes that a destination did not take, for one reason."""

    destination: str
    outcome: str
    reason: str | None
    changes: int


@dataclass(frozen=True)
class Holdout:
    """Profiles kept out of a segment, to compare with those who were sent."""

    segment: str
    profiles: int


@dataclass(frozen=True)
class Deliveries:
    """One run's deliveries."""

    runs: list[Delivery]
    changes: list[Change]
    not_taken: list[Answer]
    holdouts: list[Holdout]

    @property
    def delivered(self) -> int:
        """Changes that the destinations took."""
        return sum(run.delivered for run in self.runs)

    @property
    def failed(self) -> int:
        """Changes that the destinations did not take."""
        return sum(run.failed for run in self.runs)


def read(connection: duckdb.DuckDBPyConnection, run_id: str) -> Deliveries | None:
    """Return what a run delivered; None where it did not come to that."""
    tables = [f"reverse_etl.{name}" for name in ("runs", "plans", "receipts", "holdouts")]
    if not relations.are_there(connection, *tables):
        return None
    of_the_run = {"run_id": run_id}
    runs = [
        Delivery(*row)
        for row in relations.ask(
            connection,
            """
            select
                destination, status, coalesce(planned, 0), coalesce(delivered, 0),
                coalesce(failed, 0), coalesce(pending, 0), coalesce(suppressed, 0), message
            from reverse_etl.runs
            where run_id = $run_id
            qualify row_number() over (partition by destination order by attempt desc) = 1
            order by destination
            """,
            of_the_run,
        )
    ]
    if not runs:
        return None
    changes = [
        Change(*row)
        for row in relations.ask(
            connection,
            """
            select
                plans.destination,
                plans.kind,
                plans.segment,
                coalesce(sum(changes) filter (where action = 'add'), 0)::bigint as added,
                coalesce(sum(changes) filter (where action = 'change'), 0)::bigint as changed,
                coalesce(sum(changes) filter (where action = 'remove'), 0)::bigint as removed
            from reverse_etl.plans as plans
            where
                plans.run_id = $run_id
                and plans.attempt = (
                    select max(last.attempt)
                    from reverse_etl.plans as last
                    where last.run_id = $run_id and last.destination = plans.destination
                )
            group by all
            having added + changed + removed > 0
            order by plans.destination, plans.kind, added + changed + removed desc, plans.segment
            """,
            of_the_run,
        )
    ]
    not_taken = [
        Answer(*row)
        for row in relations.ask(
            connection,
            """
            select destination, outcome, reason, count(*) as changes
            from reverse_etl.receipts
            where run_id = $run_id and outcome != 'delivered'
            group by all
            order by changes desc, destination, outcome, reason
            limit 20
            """,
            of_the_run,
        )
    ]
    holdouts = [
        Holdout(*row)
        for row in relations.ask(
            connection,
            """
            select segment, count(distinct profile_id) as profiles
            from reverse_etl.holdouts
            group by segment
            order by profiles desc, segment
            """,
        )
    ]
    return Deliveries(runs, changes, not_taken, holdouts)
