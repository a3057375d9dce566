"""What a destination is handed, and what it answers: the border to every service."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, get_args

import duckdb
import pyarrow as pa

from reverse_etl.configuration import Property

Kind = Literal["profile", "segment_member", "suppression"]
Action = Literal["add", "change", "remove"]
OutcomeWord = Literal["delivered", "failed", "pending", "suppressed"]

KINDS: tuple[Kind, ...] = get_args(Kind)
OUTCOME_WORDS: tuple[OutcomeWord, ...] = get_args(OutcomeWord)

# What a destination answers: one row per change it has an answer for, `reason` in its own words
# (no addresses), `attempts` how often the change was sent.
OUTCOMES = pa.schema(
    [
        pa.field("change_number", pa.int64(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("attempts", pa.int64(), nullable=False),
    ]
)

# Hears of long steps: what is done, how much of it, of how much.
Report = Callable[[str, int, int], None]


class DestinationError(RuntimeError):
    """Say why a destination could not be reached or written to, and what to do about it."""


@dataclass(frozen=True)
class Shipment:
    """Everything that one delivery hands to one destination.

    The rows stay in the warehouse: `select` is read by `copy … to` or in `pages`, so that memory
    does not grow with the number of changes. `delivery_number` counts what the destination has
    acknowledged so far; with `plan_id` it names the delivery for ever. A shipment that is asked
    after, because its run was interrupted, has no rows any more.
    """

    connection: duckdb.DuckDBPyConnection
    destination: str
    run_id: str
    attempt: int
    as_of: datetime
    plan_id: str
    delivery_number: int
    properties: Mapping[str, Property] = field(default_factory=dict)

    def select(self, kind: Kind) -> str:
        """Return the query for the changes of one kind.

        Columns: `change_number`, `action`, `profile_id`, `email`, then per profile the fields in
        configured order, per segment member `segment` and `attribute`, per suppression `reason`.
        What is removed has blanks for the rest; its address is the one the destination knows. An
        `add` and a `change` both mean: let it be so, whether it was known or not; a `remove` of
        somebody unknown is nothing.
        """
        rest = {
            "profile": [
                f"profiles.{identifier(column)} as {identifier(each.field)}"
                for column, each in self.properties.items()
            ],
            "segment_member": ["planned.segment", "planned.attribute"],
            "suppression": ["planned.reason"],
        }[kind]
        columns = ["change_number", "action", "profile_id", "email"]
        selected = ", ".join([f"planned.{column}" for column in columns] + rest)
        joined = (
            """
            left join sync.profiles as profiles
                on planned.profile_id = profiles.profile_id and planned.action <> 'remove'
            """
            if kind == "profile"
            else ""
        )
        return f"""
            select {selected}
            from planned_changes as planned {joined}
            where planned.kind = '{kind}'
        """

    def types(self, kind: Kind) -> dict[str, str]:
        """Return the columns of `select` in order, with DuckDB's names of their types."""
        described = self.connection.execute(f"describe {self.select(kind)}").fetchall()
        return {row[0]: row[1] for row in described}

    def count(self, kind: Kind, condition: str = "true") -> int:
        """Count the changes of one kind, or of these those that meet a condition."""
        ((number,),) = self.connection.execute(
            f"select count(*) from planned_changes where kind = $kind and {condition}",
            {"kind": kind},
        ).fetchall()
        return int(number)

    def pages(
        self, kind: Kind, rows: int, *, columns: str = "*", condition: str = "true"
    ) -> Iterator[pa.Table]:
        """Yield the changes of one kind that meet a condition, at most `rows` at a time.

        `columns` is what is selected of `select`. Each page is a query of its own, so outcomes can
        be acknowledged between two of them.
        """
        ((first, last),) = self.connection.execute(
            "select min(change_number), max(change_number) from planned_changes where kind = ?",
            [kind],
        ).fetchall()
        if first is None:
            return
        for start in range(first, last + 1, rows):
            page: pa.Table = self.connection.sql(
                f"""
                select {columns} from ({self.select(kind)})
                where change_number between $start and $start + $rows - 1 and {condition}
                order by change_number
                """,
                params={"start": start, "rows": rows},
            ).to_arrow_table()
            if page.num_rows:
                yield page

    def outcome_of_all(self, outcome: OutcomeWord) -> pa.Table:
        """Return one outcome for every change of the shipment that has none yet."""
        return self.connection.sql(
            """
            select
                change_number, $outcome as outcome, null::varchar as reason,
                1::bigint as attempts
            from reverse_etl.unsettled_changes
            where destination = $destination and outcome is null
            """,
            params={"destination": self.destination, "outcome": outcome},
        ).to_arrow_table()


class Destination(Protocol):
    """Speak one service's words.

    A destination knows nothing of plans, ledgers and configuration files: it is handed changes and
    answers with tables of `OUTCOMES`. Each table is acknowledged, in a transaction of its own,
    before the next is asked for, so a service with batches yields one per batch. A change may be
    `pending` first and get its last outcome later. Changes that were never answered for count as
    not sent, and are planned again.
    """

    def send(self, shipment: Shipment, report: Report) -> Iterator[pa.Table]:
        """Hand over the changes and yield their outcomes.

        Raise `DestinationError` when no further change can be handed over; what was yielded until
        then stays acknowledged.
        """
        ...

    def recover(self, shipment: Shipment) -> Iterator[pa.Table]:
        """Yield the outcomes of a shipment whose run was interrupted, as far as they are known.

        Ends without a word where nothing is known: the changes are then planned again. What was
        left half-written is cleaned up.
        """
        ...

    def find_deliveries(self, destination: str) -> Mapping[str, str]:
        """Return where each delivery is that can still be seen there, by the id of its plan.

        None where a service does not show them.
        """
        ...

    def forget(self, profile_ids: Collection[str]) -> None:
        """Take profiles that were erased out of whatever deliveries are kept on this side.

        Can be repeated: a run may be killed in between.
        """
        ...

    def place(self, shipment: Shipment) -> str:
        """Say where a person finds what was sent."""
        ...


def identifier(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def iso_time(expression: str) -> str:
    """Write the SQL of a UTC time as ISO 8601 has it."""
    return f"strftime({expression}, '%Y-%m-%dT%H:%M:%S.%fZ')"
