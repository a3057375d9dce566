"""What every destination has acknowledged, and what it has not answered for yet.

The ledger moves on a destination's word alone. Before anything is sent, the planned changes are
written down as unsettled; each outcome settles its change in the same transaction that moves the
ledger. So a run that is killed leaves a list of what a destination may or may not have heard, and
these changes are planned again whatever the desired state has become since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, cast

import duckdb
import pyarrow as pa

from reverse_etl.shipment import OUTCOME_WORDS, OUTCOMES, Kind, Shipment

RunStatus = Literal[
    "sending", "delivered", "nothing_to_do", "dry_run", "braked", "out_of_date", "failed", "lost"
]

# No keys: nothing here is looked up row by row, and an index would cost a bulk delivery more than
# the joins that use it. `receipts` is what the models read; they make it, with these columns, where
# they run first.
_TABLES = """
create schema if not exists reverse_etl;

-- One row per attempt of a run to deliver to a destination. tier_mix: profiles by engagement tier
-- in the desired state. delivery_number: how many deliveries the destination will have acknowledged
-- when this one is. status lost, attempt 0: a delivery that the destination shows and this ledger
-- knew nothing of when somebody confirmed that it goes on all the same.
create table if not exists reverse_etl.runs (
    run_id varchar, destination varchar, attempt bigint, as_of timestamp, "at" timestamp,
    status varchar, plan_id varchar, delivery_number bigint, planned bigint, delivered bigint,
    failed bigint, pending bigint, suppressed bigint, tier_mix map(varchar, bigint),
    message varchar
);

-- One row per run, destination, attempt, kind, segment and action of a plan.
create table if not exists reverse_etl.plans (
    run_id varchar, destination varchar, attempt bigint, plan_id varchar, as_of timestamp,
    "at" timestamp, kind varchar, segment varchar, action varchar, changes bigint,
    examples varchar[]
);

-- One row per answer to a change; a pending change gets another when it is done.
create table if not exists reverse_etl.receipts (
    run_id varchar, destination varchar, kind varchar, segment varchar, profile_id varchar,
    action varchar, outcome varchar, reason varchar, attempts bigint, "at" timestamp
);

-- One row per profile held out of a segment, with the salt of the experiment.
create table if not exists reverse_etl.holdouts (
    profile_id varchar, segment varchar, salt varchar, assigned_at timestamp
);

-- One row per profile that a destination was ever told of, or may have been before a run was
-- killed, with the address it was told.
create table if not exists reverse_etl.known_profiles (
    destination varchar, profile_id varchar, email varchar
);

-- What a destination holds: one row per profile, per segment and profile, per suppression told.
create table if not exists reverse_etl.acknowledged_profiles (
    destination varchar, profile_id varchar, fingerprint uhugeint
);
create table if not exists reverse_etl.acknowledged_members (
    destination varchar, segment varchar, profile_id varchar, attribute varchar
);
create table if not exists reverse_etl.acknowledged_suppressions (
    destination varchar, profile_id varchar, reason varchar
);

-- One row per profile that a destination refuses to contact. Nobody is told of it again.
create table if not exists reverse_etl.refused_profiles (
    destination varchar, profile_id varchar, reason varchar, "at" timestamp
);

-- One row per profile that was erased and that a destination still has to remove, or that is still
-- on record here.
create table if not exists reverse_etl.erased_profiles (profile_id varchar, erased_at timestamp);

-- One row per destination and erasure: how many receipts of delivered changes are no longer kept.
create table if not exists reverse_etl.forgotten_receipts (destination varchar, delivered bigint);

-- One row per change of the last delivery that is not settled: unanswered (outcome null), pending
-- or failed. The destination may or may not have acted on it.
create table if not exists reverse_etl.unsettled_changes (
    destination varchar, change_number bigint, kind varchar, action varchar, segment varchar,
    profile_id varchar, attribute varchar, reason varchar, fingerprint uhugeint, outcome varchar
);
"""

# Kinds of changes that a destination holds, each with its table, the keys and the content there.
_HELD: tuple[tuple[Kind, str, tuple[str, ...], str], ...] = (
    ("profile", "acknowledged_profiles", ("profile_id",), "fingerprint"),
    ("segment_member", "acknowledged_members", ("segment", "profile_id"), "attribute"),
)


# Where a profile may be on record, the plans' examples apart.
_TABLES_OF_PROFILES = (
    *("receipts", "holdouts", "known_profiles", "acknowledged_profiles", "acknowledged_members"),
    *("acknowledged_suppressions", "refused_profiles", "unsettled_changes"),
)


@dataclass(frozen=True)
class Run:
    """Name one attempt of a run to deliver to one destination."""

    run_id: str
    destination: str
    attempt: int
    as_of: datetime
    at: datetime


@dataclass(frozen=True)
class Tally:
    """Count the answers to a shipment's changes."""

    planned: int
    delivered: int
    failed: int
    pending: int
    suppressed: int

    @property
    def unanswered(self) -> int:
        """Changes that the destination has said nothing of yet."""
        return self.planned - self.delivered - self.failed - self.pending - self.suppressed


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of the delivery where they are missing."""
    connection.execute(_TABLES)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what happens inside as one, or nothing of it."""
    connection.execute("begin transaction")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def new_run(
    connection: duckdb.DuckDBPyConnection,
    *,
    run_id: str,
    destination: str,
    as_of: datetime,
    at: datetime,
) -> Run:
    """Number the attempt: a run that is repeated under its own id keeps the first one's record."""
    attempt = _number(
        connection,
        "select 1 + coalesce(max(attempt), 0) from reverse_etl.runs"
        " where run_id = ? and destination = ?",
        [run_id, destination],
    )
    return Run(run_id, destination, attempt, as_of, at)


def next_delivery_number(connection: duckdb.DuckDBPyConnection, destination: str) -> int:
    """Count the deliveries that the destination acknowledged anything of, and one more."""
    return _number(
        connection,
        "select 1 + coalesce(max(delivery_number), 0) from reverse_etl.runs"
        " where destination = ? and delivered + suppressed > 0",
        [destination],
    )


def last_delivered_as_of(
    connection: duckdb.DuckDBPyConnection, destination: str
) -> datetime | None:
    """Return the newest `as_of` that the destination holds anything of.

    A run that had nothing to send counts: the destination was found to hold that state. A run of
    which nothing was acknowledged does not, and neither does one that spoke of the future by
    mistake: until that had come, nobody would be told anything.
    """
    ((as_of,),) = connection.execute(
        "select max(as_of) from reverse_etl.runs where destination = ?"
        " and (delivered + suppressed > 0 or status = 'nothing_to_do')"
        ' and as_of <= "at" + interval 1 day',
        [destination],
    ).fetchall()
    return None if as_of is None else cast(datetime, as_of)


def record_run(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    *,
    status: RunStatus,
    plan_id: str | None = None,
    delivery_number: int | None = None,
    planned: int = 0,
    tier_mix: Mapping[str, int] | None = None,
    message: str | None = None,
) -> None:
    """Write down one attempt of a run, of which nothing is answered yet."""
    connection.execute(
        """
        insert into reverse_etl.runs by name
        select
            $run_id as run_id, $destination as destination, $attempt as attempt,
            $as_of::timestamp as as_of, $at::timestamp as "at", $status as status,
            $plan_id as plan_id, $delivery_number as delivery_number, $planned as planned,
            0 as delivered, 0 as failed, 0 as pending, 0 as suppressed,
            map($tiers::varchar[], $profiles::bigint[]) as tier_mix, $message as message
        """,
        {
            "run_id": run.run_id,
            "destination": run.destination,
            "attempt": run.attempt,
            "as_of": run.as_of,
            "at": run.at,
            "status": status,
            "plan_id": plan_id,
            "delivery_number": delivery_number,
            "planned": planned,
            "tiers": list(tier_mix or {}),
            "profiles": list((tier_mix or {}).values()),
            "message": message,
        },
    )


def record_plan(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    plan_id: str,
    changes: Iterable[tuple[str, str | None, str, int, list[str]]],
) -> None:
    """Write down what a run planned: kind, segment, action, number of changes, examples."""
    for kind, segment, action, number, examples in changes:
        connection.execute(
            "insert into reverse_etl.plans values"
            " (?, ?, ?, ?, ?::timestamp, ?::timestamp, ?, ?, ?, ?, ?)",
            [
                run.run_id,
                run.destination,
                run.attempt,
                plan_id,
                run.as_of,
                run.at,
                kind,
                segment,
                action,
                number,
                examples,
            ],
        )


def find_plans(connection: duckdb.DuckDBPyConnection, destination: str) -> set[str]:
    """Return the plans that the ledger knows of a destination."""
    rows = connection.execute(
        "select distinct plan_id from reverse_etl.runs"
        " where destination = ? and plan_id is not null",
        [destination],
    ).fetchall()
    return {plan_id for (plan_id,) in rows}


def record_lost(connection: duckdb.DuckDBPyConnection, run: Run, plan_ids: Iterable[str]) -> None:
    """Write down deliveries of which a destination tells and the ledger knew nothing."""
    for plan_id in plan_ids:
        record_run(connection, replace(run, attempt=0), status="lost", plan_id=plan_id)


def open_shipment(connection: duckdb.DuckDBPyConnection, destination: str) -> None:
    """Write the planned changes down as unsettled, instead of what was unsettled before.

    Nothing is forgotten by that: every unsettled change is part of the next plan, or is about a
    suppression that was lifted. Whom the destination may hear of from now on it counts as knowing.
    """
    forget_unsettled(connection, destination)
    connection.execute(
        """
        insert into reverse_etl.unsettled_changes
        select
            $destination, change_number, kind, action, segment, profile_id, attribute, reason,
            fingerprint, null
        from planned_changes
        """,
        {"destination": destination},
    )
    connection.execute(
        """
        insert into reverse_etl.known_profiles
        select $destination, profile_id, any_value(email)
        from planned_changes
        where
            kind <> 'suppression' and action <> 'remove'
            and profile_id not in (
                select profile_id from reverse_etl.known_profiles
                where destination = $destination
            )
        group by profile_id
        """,
        {"destination": destination},
    )


def forget_unsettled(connection: duckdb.DuckDBPyConnection, destination: str) -> None:
    """Drop the unsettled changes of a destination; only where a newer plan takes them over."""
    connection.execute(
        "delete from reverse_etl.unsettled_changes where destination = ?", [destination]
    )


def interrupted_shipment(
    connection: duckdb.DuckDBPyConnection, destination: str
) -> Shipment | None:
    """Return the shipment whose run ended without a word, if there is one."""
    rows = connection.execute(
        """
        select run_id, attempt, as_of, plan_id, delivery_number
        from reverse_etl.runs
        where destination = ? and status = 'sending'
        """,
        [destination],
    ).fetchall()
    if not rows:
        return None
    ((run_id, attempt, as_of, plan_id, delivery_number),) = rows
    return Shipment(connection, destination, run_id, attempt, as_of, plan_id, delivery_number)


def acknowledge(
    connection: duckdb.DuckDBPyConnection, shipment: Shipment, outcomes: pa.Table, at: datetime
) -> None:
    """Move the ledger by what the destination answered, in one transaction.

    `outcomes` has the columns of `OUTCOMES`. Raise `ValueError` where it answers for a change that
    was not asked or in a word that does not exist; then nothing is moved.
    """
    with transaction(connection):
        connection.register("answers", outcomes.select(OUTCOMES.names))
        try:
            _take_answers(connection, shipment.destination, outcomes.num_rows)
        finally:
            connection.unregister("answers")
        _write_receipts(connection, shipment, at)
        _move_held(connection, shipment.destination)
        _move_suppressions(connection, shipment.destination)
        _note_refusals(connection, shipment.destination, at)
        _settle(connection, shipment)
        connection.execute("drop table answered_changes")


def note_erased(connection: duckdb.DuckDBPyConnection, erased_at: datetime) -> None:
    """Remember who of the temporary table `erased_profiles` is on record here.

    Their removal is planned like any other, for they are in no desired state any more.
    """
    on_record = " union ".join(
        f"select profile_id from reverse_etl.{table}" for table in _TABLES_OF_PROFILES
    )
    connection.execute(
        f"""
        insert into reverse_etl.erased_profiles
        select profile_id, $erased_at
        from temp.erased_profiles
        where
            profile_id in ({on_record})
            and profile_id not in (select profile_id from reverse_etl.erased_profiles)
        """,
        {"erased_at": erased_at},
    )


def find_removed_erased(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the erased profiles of which no destination holds anything any more."""
    rows = connection.execute(
        """
        select profile_id from reverse_etl.erased_profiles
        where profile_id not in (
            select profile_id from reverse_etl.acknowledged_profiles
            union all
            select profile_id from reverse_etl.acknowledged_members
            union all
            select profile_id from reverse_etl.unsettled_changes
        )
        """
    ).fetchall()
    return {profile_id for (profile_id,) in rows}


def forget(connection: duckdb.DuckDBPyConnection, profile_ids: set[str]) -> None:
    """Take profiles off the record, in one transaction."""
    values = {"profile_ids": list(profile_ids)}
    with transaction(connection):
        connection.execute(
            """
            insert into reverse_etl.forgotten_receipts
            select destination, count(*) from reverse_etl.receipts
            where outcome = 'delivered' and list_contains($profile_ids, profile_id)
            group by destination
            """,
            values,
        )
        for table in (*_TABLES_OF_PROFILES, "erased_profiles"):
            connection.execute(
                f"delete from reverse_etl.{table} where list_contains($profile_ids, profile_id)",
                values,
            )
        connection.execute(
            "update reverse_etl.plans set examples = [] where list_has_any(examples, $profile_ids)",
            values,
        )


def close_run(
    connection: duckdb.DuckDBPyConnection, shipment: Shipment, message: str | None = None
) -> tuple[Literal["delivered", "failed"], Tally]:
    """End a run after its last outcome; `message` says why it could not go on.

    A run is delivered when the destination answered for every change and took any of them;
    otherwise it failed. What was taken is acknowledged in both cases.
    """
    (counts,) = connection.execute(
        """
        select planned, delivered, failed, pending, suppressed
        from reverse_etl.runs
        where run_id = $run_id and destination = $destination and attempt = $attempt
        """,
        _run_key(shipment),
    ).fetchall()
    tally = Tally(*counts)
    taken = tally.delivered + tally.suppressed + tally.pending
    is_delivered = message is None and tally.unanswered == 0 and taken > 0
    status: Literal["delivered", "failed"] = "delivered" if is_delivered else "failed"
    connection.execute(
        """
        update reverse_etl.runs set status = $status, message = $message
        where run_id = $run_id and destination = $destination and attempt = $attempt
        """,
        {**_run_key(shipment), "status": status, "message": message},
    )
    return status, tally


def _take_answers(connection: duckdb.DuckDBPyConnection, destination: str, expected: int) -> None:
    connection.execute(
        """
        create or replace temp table answered_changes as
        select
            changes.* exclude (destination, outcome), answers.outcome,
            answers.reason as outcome_reason, answers.attempts
        from reverse_etl.unsettled_changes as changes
        join answers using (change_number)
        where changes.destination = $destination
        """,
        {"destination": destination},
    )
    found = _number(connection, "select count(distinct change_number) from answered_changes", [])
    if found != expected:
        raise ValueError(
            f"{destination} answered {expected:,} times, of which {found:,} belong to changes that "
            "wait for an answer"
        )
    unknown = connection.execute(
        "select distinct outcome from answered_changes where outcome is null or not"
        " list_contains($words, outcome)",
        {"words": list(OUTCOME_WORDS)},
    ).fetchall()
    if unknown:
        raise ValueError(
            f"{destination} answered {unknown[0][0]!r}; an outcome is one of "
            f"{', '.join(OUTCOME_WORDS)}"
        )


def _write_receipts(
    connection: duckdb.DuckDBPyConnection, shipment: Shipment, at: datetime
) -> None:
    connection.execute(
        """
        insert into reverse_etl.receipts (
            run_id, destination, kind, segment, profile_id, action, outcome, reason, attempts, "at"
        )
        select
            $run_id, $destination, kind, segment, profile_id, action, outcome, outcome_reason,
            attempts, $at::timestamp
        from answered_changes
        """,
        {"run_id": shipment.run_id, "destination": shipment.destination, "at": at},
    )


def _move_held(connection: duckdb.DuckDBPyConnection, destination: str) -> None:
    for kind, table, keys, content in _HELD:
        matched = " and ".join(f"acknowledged.{key} = answered.{key}" for key in keys)
        columns = ", ".join([*keys, content])
        # A removal that is answered with a refusal is as good as done.
        connection.execute(
            f"""
            delete from reverse_etl.{table} as acknowledged
            using answered_changes as answered
            where
                acknowledged.destination = $destination
                and {matched}
                and answered.kind = '{kind}'
                and (
                    answered.outcome = 'delivered'
                    or (answered.outcome = 'suppressed' and answered.action = 'remove')
                )
            """,
            {"destination": destination},
        )
        connection.execute(
            f"""
            insert into reverse_etl.{table} (destination, {columns})
            select $destination, {columns}
            from answered_changes
            where kind = '{kind}' and outcome = 'delivered' and action <> 'remove'
            """,
            {"destination": destination},
        )


def _move_suppressions(connection: duckdb.DuckDBPyConnection, destination: str) -> None:
    # Who is told of anew has to be told off anew, and that forgets the suppression before it. The
    # profile comes back as a change, not as an addition, where its removal had failed.
    connection.execute(
        """
        delete from reverse_etl.acknowledged_suppressions as acknowledged
        using answered_changes as answered
        where
            acknowledged.destination = $destination
            and acknowledged.profile_id = answered.profile_id
            and (
                (
                    answered.kind = 'suppression'
                    and answered.outcome in ('delivered', 'suppressed')
                )
                or (
                    answered.kind = 'profile'
                    and answered.action <> 'remove'
                    and answered.outcome = 'delivered'
                )
            )
        """,
        {"destination": destination},
    )
    connection.execute(
        """
        insert into reverse_etl.acknowledged_suppressions
        select $destination, profile_id, reason
        from answered_changes
        where kind = 'suppression' and outcome in ('delivered', 'suppressed')
        """,
        {"destination": destination},
    )


def _note_refusals(connection: duckdb.DuckDBPyConnection, destination: str, at: datetime) -> None:
    connection.execute(
        """
        insert into reverse_etl.refused_profiles
        select $destination, profile_id, min(outcome_reason), $at::timestamp
        from answered_changes
        where
            outcome = 'suppressed' and kind <> 'suppression'
            and profile_id not in (
                select profile_id from reverse_etl.refused_profiles
                where destination = $destination
            )
        group by profile_id
        """,
        {"destination": destination, "at": at},
    )


def _settle(connection: duckdb.DuckDBPyConnection, shipment: Shipment) -> None:
    connection.execute(
        """
        delete from reverse_etl.unsettled_changes as changes
        using answered_changes as answered
        where
            changes.destination = $destination
            and changes.change_number = answered.change_number
            and answered.outcome in ('delivered', 'suppressed')
        """,
        {"destination": shipment.destination},
    )
    connection.execute(
        """
        update reverse_etl.unsettled_changes as changes set outcome = answered.outcome
        from answered_changes as answered
        where
            changes.destination = $destination
            and changes.change_number = answered.change_number
            and answered.outcome in ('failed', 'pending')
        """,
        {"destination": shipment.destination},
    )
    # The run is over with its last answer, in the same transaction: a kill in between would leave
    # a finished run that looks interrupted.
    connection.execute(
        """
        with
        answered as (
            select
                count(*) filter (where outcome = 'delivered') as delivered,
                count(*) filter (where outcome = 'suppressed') as suppressed
            from answered_changes
        ),
        unsettled as (
            select
                count(*) filter (where outcome is null) as unanswered,
                count(*) filter (where outcome = 'failed') as failed,
                count(*) filter (where outcome = 'pending') as pending
            from reverse_etl.unsettled_changes
            where destination = $destination
        )
        update reverse_etl.runs as runs
        set
            delivered = runs.delivered + answered.delivered,
            suppressed = runs.suppressed + answered.suppressed,
            failed = unsettled.failed,
            pending = unsettled.pending,
            status = case
                when
                    unsettled.unanswered + unsettled.pending = 0
                    and runs.delivered + answered.delivered
                    + runs.suppressed + answered.suppressed > 0
                then 'delivered'
                else runs.status
            end
        from answered, unsettled
        where
            runs.run_id = $run_id and runs.destination = $destination
            and runs.attempt = $attempt
        """,
        _run_key(shipment),
    )


def _run_key(shipment: Shipment) -> dict[str, str | int]:
    return {
        "run_id": shipment.run_id,
        "destination": shipment.destination,
        "attempt": shipment.attempt,
    }


def _number(connection: duckdb.DuckDBPyConnection, query: str, values: list[str]) -> int:
    ((number,),) = connection.execute(query, values).fetchall()
    return int(number)
