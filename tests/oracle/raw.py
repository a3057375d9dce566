"""The nine raw tables as lists of dicts, and the orders in which the contract compares rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Row = dict[str, Any]
"""A row by column name. Times are naive datetimes in UTC, amounts Decimal, absent values None."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "email_events": (
        "event_id", "event_type", "occurred_at", "email", "message_id", "campaign_id", "url",
        "user_agent", "ip", "is_machine", "bounce_type", "provider",
    ),
    "web_events": (
        "event_id", "event_type", "occurred_at", "anonymous_id", "email", "session_id", "url",
        "referrer", "utm_source", "utm_medium", "utm_campaign", "product_id", "category",
        "quantity", "unit_price", "device_type", "country", "region", "city", "properties",
    ),
    "orders": (
        "order_id", "email", "ordered_at", "status", "currency", "total_amount", "updated_at",
    ),
    "order_lines": (
        "order_id", "line_number", "product_id", "quantity", "unit_price", "updated_at",
    ),
    "products": ("product_id", "name", "category", "price", "description", "updated_at"),
    "contacts": (
        "contact_id", "email", "phone", "first_name", "last_name", "birth_date", "country",
        "region", "city", "postal_code", "timezone", "created_at", "updated_at", "is_deleted",
        "source_system",
    ),
    "consents": ("email", "purpose", "status", "recorded_at", "source", "expires_at"),
    "campaigns": ("campaign_id", "name", "subject", "sent_at", "category", "updated_at"),
    "erasure_requests": ("email", "requested_at"),
}  # fmt: skip
"""Columns in the contract's order, which is also the order in which ties are broken."""


@dataclass
class World:
    """Everything that was ever loaded, as the raw tables hold it. Absent columns are null."""

    email_events: list[Row] = field(default_factory=list)
    web_events: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    order_lines: list[Row] = field(default_factory=list)
    products: list[Row] = field(default_factory=list)
    contacts: list[Row] = field(default_factory=list)
    consents: list[Row] = field(default_factory=list)
    campaigns: list[Row] = field(default_factory=list)
    erasure_requests: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Give every row every column of its table; refuse a column the contract lacks."""
        for table, columns in COLUMNS.items():
            for row in getattr(self, table):
                unknown = set(row) - set(columns)
                if unknown:
                    raise ValueError(f"{table} has no column {sorted(unknown)}")
            filled = [{column: row.get(column) for column in columns} for row in self.rows(table)]
            setattr(self, table, filled)

    def rows(self, table: str) -> list[Row]:
        """Return the rows of one raw table by its name."""
        rows: list[Row] = getattr(self, table)
        return rows


def _comparable(value: Any) -> Any:
    """Text compares by its UTF-8 bytes, false before true, everything else as it is."""
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, bool):
        return int(value)
    return value


def nulls_last(values: Iterable[Any]) -> tuple[Any, ...]:
    """Make a sort key in which a null is greater than every value."""
    return tuple((1, 0) if value is None else (0, _comparable(value)) for value in values)


def nulls_lowest(values: Iterable[Any]) -> tuple[Any, ...]:
    """Make a sort key in which a null is smaller than every value."""
    return tuple((0, 0) if value is None else (1, _comparable(value)) for value in values)


def group(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Gather rows by a key; nulls are equal to each other."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def newest_versions(
    table: str,
    rows: Sequence[Row],
    identity: Sequence[str],
    version_time: Callable[[Row], datetime | None],
    address: Callable[[Row], str | None] | None = None,
) -> list[Row]:
    """Return, of each identity, the version that counts.

    The newest time counts, a null time is the oldest; at one time the one with the greatest
    remaining columns in the contract's order, nulls lowest. Addresses compare normalised.
    """

    def rank(row: Row) -> tuple[Any, ...]:
        remaining = [
            address(row) if address is not None and column == "email" else row[column]
            for column in COLUMNS[table]
            if column not in identity
        ]
        return (nulls_lowest([version_time(row)]), nulls_lowest(remaining))

    versions = group(rows, lambda row: tuple(row[column] for column in identity))
    return [max(same, key=rank) for same in versions.values()]
