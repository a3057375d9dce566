"""A service on the real interface that answers row by row, and can be told to misbehave."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import pyarrow as pa

from reverse_etl.configuration import DestinationSettings
from reverse_etl.shipment import (
    KINDS,
    OUTCOMES,
    Destination,
    DestinationError,
    Report,
    Shipment,
)

Row = Mapping[str, Any]
# Outcome and reason for one row; None for a row that is never answered for.
Answer = tuple[str, str | None] | None


class Killed(BaseException):
    """The process is gone: nothing after this instant happens."""


class Service:
    """Hold what a service holds; act on each row that it does not refuse."""

    def __init__(self, rows_per_batch: int = 2) -> None:
        self.rows_per_batch = rows_per_batch
        self.profiles: dict[str, str] = {}
        self.members: dict[tuple[str, str], str | None] = {}
        self.suppressions: dict[str, str] = {}
        self.received: list[tuple[str, str, str]] = []
        self.acknowledged: dict[tuple[str, ...], tuple[Any, ...]] = {}
        self.repeated: list[tuple[str, ...]] = []
        self.forgotten: set[str] = set()
        self.answers: Callable[[str, Row], Answer] = lambda kind, row: ("delivered", None)
        self.breaks_after: int | None = None
        self.is_killed_after: int | None = None
        self.batches = 0

    def open(self, name: str, settings: DestinationSettings) -> Destination:
        return self

    def send(self, shipment: Shipment, report: Report) -> Iterator[pa.Table]:
        # From here on the shipment is in flight: none of it is sure any more until it is answered.
        for kind in KINDS:
            for page in shipment.pages(kind, 100):
                for row in page.to_pylist():
                    if self.acknowledged.pop(_key(kind, row), None) == _content(row):
                        self.repeated.append(_key(kind, row))
        for kind in KINDS:
            for page in shipment.pages(kind, self.rows_per_batch):
                if self.breaks_after == self.batches:
                    raise DestinationError("the connection broke")
                self.batches += 1
                taken: dict[tuple[str, ...], tuple[Any, ...]] = {}
                outcomes = list(self._act(kind, page.to_pylist(), taken))
                if self.is_killed_after == self.batches:
                    raise Killed
                yield pa.Table.from_pylist(outcomes, schema=OUTCOMES)
                self.acknowledged.update(taken)

    def recover(self, shipment: Shipment) -> Iterator[pa.Table]:
        return iter(())

    def find_deliveries(self, destination: str) -> Mapping[str, str]:
        return {}

    def forget(self, profile_ids: Collection[str]) -> None:
        self.forgotten.update(profile_ids)

    def place(self, shipment: Shipment) -> str:
        return "the service"

    def _act(
        self,
        kind: str,
        rows: list[dict[str, Any]],
        taken: dict[tuple[str, ...], tuple[Any, ...]],
    ) -> Iterator[dict[str, Any]]:
        for row in rows:
            answer = self.answers(kind, row)
            self.received.append((kind, row["action"], row["profile_id"]))
            if answer is None or answer[0] == "delivered":
                self._take(kind, row)
            if answer is not None:
                if answer[0] == "delivered":
                    taken[_key(kind, row)] = _content(row)
                yield {
                    "change_number": row["change_number"],
                    "outcome": answer[0],
                    "reason": answer[1],
                    "attempts": 1,
                }

    def _take(self, kind: str, row: Row) -> None:
        who, removed = row["profile_id"], row["action"] == "remove"
        match kind, removed:
            case "profile", False:
                self.profiles[who] = row["first_name"]
            case "profile", True:
                self.profiles.pop(who, None)
            case "segment_member", False:
                self.members[row["segment"], who] = row["attribute"]
            case "segment_member", True:
                self.members.pop((row["segment"], who), None)
            case _:
                self.suppressions[who] = row["reason"]


def _key(kind: str, row: Row) -> tuple[str, ...]:
    return kind, row.get("segment", ""), row["profile_id"]


def _content(row: Row) -> tuple[Any, ...]:
    """Return what the row makes true; that it is an addition or a change does not matter."""
    return row["action"] == "remove", *list(row.values())[3:]
