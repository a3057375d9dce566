"""A small shop: what is desired, the deliveries, and a mirror that applies them."""

from __future__ import annotations

import csv
import json
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from reverse_etl.configuration import Destinations
from reverse_etl.delivery import DeliveryOutcome, deliver
from reverse_etl.sending import Outside

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)

TABLES = """
create schema sync;
create table sync.profiles (
    profile_id varchar, email varchar, first_name varchar, engagement_tier varchar,
    engagement_score bigint, churn_probability double, lifetime_revenue decimal(18, 2),
    last_order_at timestamp
);
create table sync.segment_members (
    segment varchar, profile_id varchar, email varchar, attribute varchar
);
create table sync.suppressions (profile_id varchar, email varchar, reason varchar);
"""


def configured(**settings: Any) -> Destinations:
    """Make the configuration of one destination called `file`."""
    described = {"kind": "file", "segments": "all", "properties": "all", **settings}
    return Destinations.model_validate({"destinations": {"file": described}})


def outside(secrets: Mapping[str, str]) -> Outside:
    """Make what a service is called with: secrets, the real time, and a chance that is seeded."""
    return Outside(secrets, time.time, random.Random(7).random)


class Shop:
    """A warehouse file and an outbox; days pass by `deliver`."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self.outbox = folder / "outbox"
        self.connection = duckdb.connect(database or str(folder / "warehouse.duckdb"))
        self.connection.execute(TABLES)
        self.destinations = configured()
        self.now = MONDAY
        self.runs = 0

    def wants(self, profile_id: str, email: str | None = None, **properties: Any) -> None:
        """Have a profile in the desired state, instead of what it was there."""
        self.forgets(profile_id, members=False)
        row: dict[str, Any] = {
            "profile_id": profile_id,
            "email": email or f"{profile_id}@example.com",
            "first_name": profile_id.capitalize(),
            "engagement_tier": "lapsing",
            "engagement_score": 1,
            "churn_probability": 0.25,
            "lifetime_revenue": None,
            "last_order_at": None,
            **properties,
        }
        self.connection.execute(
            "insert into sync.profiles values (?, ?, ?, ?, ?, ?, ?, ?)", list(row.values())
        )

    def wants_in(self, segment: str, profile_id: str, attribute: str | None = None) -> None:
        """Have a wanted profile in a segment."""
        self.leaves(segment, profile_id)
        self.connection.execute(
            """
            insert into sync.segment_members
            select ?, profile_id, email, ? from sync.profiles where profile_id = ?
            """,
            [segment, attribute, profile_id],
        )

    def leaves(self, segment: str, profile_id: str) -> None:
        self.connection.execute(
            "delete from sync.segment_members where segment = ? and profile_id = ?",
            [segment, profile_id],
        )

    def forgets(self, profile_id: str, members: bool = True) -> None:
        """Have a profile no longer in the desired state."""
        self.connection.execute("delete from sync.profiles where profile_id = ?", [profile_id])
        if members:
            self.connection.execute(
                "delete from sync.segment_members where profile_id = ?", [profile_id]
            )

    def suppresses(self, profile_id: str, reason: str = "unsubscribe") -> None:
        """Have a profile that may not be mailed."""
        self.forgets(profile_id)
        self.lifts(profile_id)
        self.connection.execute(
            "insert into sync.suppressions values (?, ?, ?)",
            [profile_id, f"{profile_id}@example.com", reason],
        )

    def lifts(self, profile_id: str) -> None:
        self.connection.execute("delete from sync.suppressions where profile_id = ?", [profile_id])

    def tomorrow(self) -> None:
        self.now += timedelta(days=1)

    def delivers(self, **options: Any) -> DeliveryOutcome:
        """Deliver at the shop's time, and return the outcome of the one destination."""
        self.runs += 1
        arguments: dict[str, Any] = {
            "as_of": self.now,
            "at": self.now,
            "run_id": f"run-{self.runs}",
            "outbox": self.outbox,
            **options,
        }
        (outcome,) = deliver(self.connection, self.destinations, **arguments)
        return outcome

    def asks(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def folders(self) -> list[Path]:
        """Return the folders of the outbox in the order in which they are to be applied."""
        return sorted(self.outbox.iterdir()) if self.outbox.exists() else []


def read(folder: Path, name: str) -> list[dict[str, str]]:
    """Read a file of a delivery, row by row."""
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def told(folder: Path, name: str) -> list[tuple[str, ...]]:
    """Read action, profile and what comes after the address."""
    return [
        (row.pop("action"), row.pop("profile_id"), *row.values())
        for row in read(folder, name)
        if row.pop("email")
    ]


def manifest(folder: Path) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return document


class Mirror:
    """What somebody holds who applies every folder of the outbox, and how much of it was news."""

    def __init__(self) -> None:
        self.profiles: dict[str, dict[str, str]] = {}
        self.members: dict[tuple[str, str], str] = {}
        self.suppressions: dict[str, str] = {}
        self.known: set[str] = set()
        self.applied: set[str] = set()
        self.repeated = 0

    def apply(self, folders: list[Path]) -> None:
        for folder in folders:
            if folder.name not in self.applied:
                self.applied.add(folder.name)
                self._apply(folder)

    def _apply(self, folder: Path) -> None:
        for row in read(folder, "profiles.csv"):
            self.known.add(row["profile_id"])
            self._put(self.profiles, row.pop("action"), row["profile_id"], row)
        for row in read(folder, "segment_members.csv"):
            key = (row["segment"], row["profile_id"])
            self._put(self.members, row["action"], key, row["attribute"])
        for row in read(folder, "suppressions.csv"):
            self._put(self.suppressions, row["action"], row["profile_id"], row["reason"])

    def _put(self, held: dict[Any, Any], action: str, key: Any, value: Any) -> None:
        before = held.get(key)
        if action == "remove":
            held.pop(key, None)
        else:
            held[key] = value
        self.repeated += held.get(key) == before
