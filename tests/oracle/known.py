"""What is known at one instant: who is whom, which rows are one, which are left out.

Reads the chapters *Time*, *Profiles*, *Erasure* and the duplicates of *Human engagement*.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tests.oracle.raw import (
    COLUMNS,
    Row,
    World,
    group,
    newest_versions,
    nulls_last,
)

BLANKS = "\t\n\v\f\r \u00a0"


def normalise(address: str | None) -> str | None:
    """Trim an address of the blanks that count as such, and write it in lower case.

    Only ASCII is lowered: a Kelvin sign must not become the k of somebody else.
    """
    if address is None:
        return None
    trimmed = address.strip(BLANKS)
    return trimmed.lower() if trimmed.isascii() else trimmed


def is_valid(normalised: str) -> bool:
    """Tell whether a normalised address can make a profile."""
    if len(normalised) > 254 or normalised.count("@") != 1:
        return False
    if not all("\u0021" <= character <= "\u007e" for character in normalised):
        return False
    local, domain = normalised.split("@")
    return local != "" and domain != "" and "." in domain[1:-1]


def address_of(row: Row) -> str | None:
    """Return the valid normalised address that a row carries, else null."""
    normalised = normalise(row["email"])
    return normalised if normalised is not None and is_valid(normalised) else None


def spelled(row: Row) -> str | None:
    """Return the normalised address of a row, valid or not: what ties are broken by."""
    return normalise(row["email"])


@dataclass
class Known:
    """The rows that count at `as_of`, each with the `address` of the profile it belongs to.

    Email and web events are distinct ones. `orders`, `contacts`, `products`, `order_lines` and
    `campaigns` are newest versions; the `_versions` are all of them, those without a valid
    address too.
    """

    as_of: datetime
    email_events: list[Row]
    web_events: list[Row]
    orders: list[Row]
    order_versions: list[Row]
    contacts: list[Row]
    contact_versions: list[Row]
    consents: list[Row]
    products: list[Row]
    order_lines: list[Row]
    campaigns: list[Row]
    quarantined: list[Row]
    addresses: list[str]


def order_version_at(row: Row) -> datetime:
    """Return the time of an order's version: a null `updated_at` is its `ordered_at`."""
    at: datetime = row["ordered_at"] if row["updated_at"] is None else row["updated_at"]
    return at


def seen(table: str, row: Row, as_of: datetime) -> bool:
    """Tell whether a row has happened at `as_of`."""
    if table in ("email_events", "web_events"):
        return bool(row["occurred_at"] <= as_of)
    if table == "orders":
        return bool(row["ordered_at"] <= as_of and order_version_at(row) <= as_of)
    if table == "contacts":
        return bool(row["updated_at"] <= as_of)
    if table == "consents":
        return bool(row["recorded_at"] <= as_of)
    if table == "erasure_requests":
        return bool(row["requested_at"] <= as_of)
    return bool(row["updated_at"] is None or row["updated_at"] <= as_of)


def distinct_email_events(events: list[Row]) -> list[Row]:
    """Settle duplicates among email events that carry an `address`."""
    distinct = []
    same_content = group(
        events,
        lambda e: (e["address"], e["message_id"], e["event_type"], e["occurred_at"], e["url"]),
    )
    for copies in same_content.values():
        kept = dict(smallest_copy("email_events", copies))
        kept["is_machine"] = any(copy["is_machine"] for copy in copies)
        distinct.append(kept)

    settled = [e for e in distinct if e["provider"] is None or e["event_id"] is None]
    identified = [e for e in distinct if e["provider"] is not None and e["event_id"] is not None]
    same_id = group(identified, lambda e: (e["address"], e["provider"], e["event_id"]))
    for copies in same_id.values():
        settled.append(
            min(
                copies,
                key=lambda e: (
                    e["occurred_at"],
                    nulls_last([e["message_id"], e["event_type"], e["url"]]),
                ),
            )
        )
    return settled


def distinct_web_events(events: list[Row]) -> list[Row]:
    """Settle duplicates among web events that carry their `own_address`, before stitching."""
    same_content = group(
        events,
        lambda e: (
            e["anonymous_id"],
            e["own_address"],
            e["event_type"],
            e["occurred_at"],
            e["url"],
            e["product_id"],
        ),
    )
    distinct = [smallest_copy("web_events", copies) for copies in same_content.values()]

    settled = [e for e in distinct if e["event_id"] is None]
    identified = [e for e in distinct if e["event_id"] is not None]
    same_id = group(identified, lambda e: (e["anonymous_id"], e["own_address"], e["event_id"]))
    for copies in same_id.values():
        settled.append(
            min(
                copies,
                key=lambda e: (
                    e["occurred_at"],
                    nulls_last([e["event_type"], e["url"], e["product_id"]]),
                ),
            )
        )
    return settled


def smallest_copy(table: str, copies: list[Row]) -> Row:
    """Return the copy with the smallest `event_id`, then the smallest remaining columns."""

    def rank(copy: Row) -> tuple[object, ...]:
        # Copies of one event have one address, however they spell it: it can break no tie.
        return nulls_last(copy[column] for column in COLUMNS[table] if column != "email")

    return min(copies, key=rank)


def visitor_addresses(web_events: list[Row]) -> dict[str, str]:
    """Return, of each visitor ever seen with an address, the one that was first seen."""
    owners: dict[str, str] = {}
    named = [
        e for e in web_events if e["anonymous_id"] is not None and e["own_address"] is not None
    ]
    for visitor, events in group(named, lambda e: e["anonymous_id"]).items():
        owners[visitor] = min(events, key=lambda e: (e["occurred_at"], e["own_address"]))[
            "own_address"
        ]
    return owners


def known_at(world: World, as_of: datetime) -> Known:
    """Resolve the raw tables into what is known at `as_of`, the erased left out of everything."""
    visible = {
        table: [dict(row) for row in world.rows(table) if seen(table, row, as_of)]
        for table in COLUMNS
    }
    erased = {normalise(request["email"]) for request in visible["erasure_requests"]}

    # A contact or an order that ever carried an erased address goes with all its versions.
    erased_contacts = {
        (row["source_system"], row["contact_id"])
        for row in visible["contacts"]
        if row["email"] is not None and spelled(row) in erased
    }
    erased_orders = {row["order_id"] for row in visible["orders"] if spelled(row) in erased}
    visible["contacts"] = [
        row
        for row in visible["contacts"]
        if (row["source_system"], row["contact_id"]) not in erased_contacts
    ]
    visible["orders"] = [row for row in visible["orders"] if row["order_id"] not in erased_orders]

    # Visitors are resolved before the erased are left out: who first came with an erased
    # address must not fall to the next one.
    for event in visible["web_events"]:
        event["own_address"] = address_of(event)
    owners = visitor_addresses(visible["web_events"])

    for table in ("email_events", "web_events", "consents"):
        visible[table] = [
            row for row in visible[table] if row["email"] is None or spelled(row) not in erased
        ]

    quarantined: list[Row] = []
    for table, time_column in (
        ("email_events", "occurred_at"),
        ("web_events", "occurred_at"),
        ("orders", "ordered_at"),
        ("contacts", "updated_at"),
        ("consents", "recorded_at"),
    ):
        for row in visible[table]:
            unusable = row["email"] is not None and address_of(row) is None
            if table == "web_events" and row["anonymous_id"] is not None:
                unusable = False  # it is an anonymous event
            if unusable:
                quarantined.append({"source_table": table, "occurred_at": row[time_column]})
            row["address"] = address_of(row)

    web_events = distinct_web_events(
        [
            e
            for e in visible["web_events"]
            if e["own_address"] is not None or e["anonymous_id"] is not None
        ]
    )
    for event in web_events:
        owner = owners.get(event["anonymous_id"])
        event["address"] = event["own_address"] or (owner if owner not in erased else None)

    contacts = newest_versions(
        "contacts",
        visible["contacts"],
        ("source_system", "contact_id"),
        lambda row: row["updated_at"],
        address=spelled,
    )
    orders = [
        {**order, "status": order["status"] or "placed"}
        for order in newest_versions(
            "orders", visible["orders"], ("order_id",), order_version_at, address=spelled
        )
    ]

    addresses = {
        row["address"]
        for table in ("email_events", "orders", "contacts", "consents")
        for row in visible[table]
    } | {event["address"] for event in web_events}
    addresses.discard(None)

    return Known(
        as_of=as_of,
        email_events=distinct_email_events(
            [e for e in visible["email_events"] if e["address"] is not None]
        ),
        web_events=[e for e in web_events if e["address"] is not None],
        orders=[order for order in orders if order["address"] is not None],
        order_versions=visible["orders"],
        contacts=contacts,
        contact_versions=visible["contacts"],
        consents=visible["consents"],
        products=newest_versions(
            "products", visible["products"], ("product_id",), lambda row: row["updated_at"]
        ),
        order_lines=newest_versions(
            "order_lines",
            visible["order_lines"],
            ("order_id", "line_number"),
            lambda row: row["updated_at"],
        ),
        campaigns=newest_versions(
            "campaigns", visible["campaigns"], ("campaign_id",), lambda row: row["updated_at"]
        ),
        quarantined=quarantined,
        addresses=sorted(addresses),
    )
