"""The raw tables as the doors expect them, and as the warehouse has them.

The expected side is the raw contract, restated because no room imports another; a test holds the
two together.
"""

from collections.abc import Mapping
from typing import Final, Literal

import duckdb

# Per relation of the schema `raw`, its columns with their DuckDB types.
Columns = Mapping[str, Mapping[str, str]]

Type = Literal["text", "timestamp", "date", "decimal", "integer", "boolean", "json"]

EXPECTED: Final[Mapping[str, Mapping[str, Type]]] = {
    "email_events": {
        "event_id": "text",
        "event_type": "text",
        "occurred_at": "timestamp",
        "email": "text",
        "message_id": "text",
        "campaign_id": "text",
        "url": "text",
        "user_agent": "text",
        "ip": "text",
        "is_machine": "boolean",
        "bounce_type": "text",
        "provider": "text",
        "_loaded_at": "timestamp",
    },
    "web_events": {
        "event_id": "text",
        "event_type": "text",
        "occurred_at": "timestamp",
        "anonymous_id": "text",
        "email": "text",
        "session_id": "text",
        "url": "text",
        "referrer": "text",
        "utm_source": "text",
        "utm_medium": "text",
        "utm_campaign": "text",
        "product_id": "text",
        "category": "text",
        "quantity": "integer",
        "unit_price": "decimal",
        "device_type": "text",
        "country": "text",
        "region": "text",
        "city": "text",
        "properties": "json",
        "_loaded_at": "timestamp",
    },
    "orders": {
        "order_id": "text",
        "email": "text",
        "ordered_at": "timestamp",
        "status": "text",
        "currency": "text",
        "total_amount": "decimal",
        "updated_at": "timestamp",
        "_loaded_at": "timestamp",
    },
    "order_lines": {
        "order_id": "text",
        "line_number": "integer",
        "product_id": "text",
        "quantity": "integer",
        "unit_price": "decimal",
        "updated_at": "timestamp",
        "_loaded_at": "timestamp",
    },
    "products": {
        "product_id": "text",
        "name": "text",
        "category": "text",
        "price": "decimal",
        "description": "text",
        "updated_at": "timestamp",
        "_loaded_at": "timestamp",
    },
    "contacts": {
        "contact_id": "text",
        "email": "text",
        "phone": "text",
        "first_name": "text",
        "last_name": "text",
        "birth_date": "date",
        "country": "text",
        "region": "text",
        "city": "text",
        "postal_code": "text",
        "timezone": "text",
        "created_at": "timestamp",
        "updated_at": "timestamp",
        "is_deleted": "boolean",
        "source_system": "text",
        "_loaded_at": "timestamp",
    },
    "consents": {
        "email": "text",
        "purpose": "text",
        "status": "text",
        "recorded_at": "timestamp",
        "source": "text",
        "expires_at": "timestamp",
        "_loaded_at": "timestamp",
    },
    "campaigns": {
        "campaign_id": "text",
        "name": "text",
        "subject": "text",
        "sent_at": "timestamp",
        "category": "text",
        "updated_at": "timestamp",
        "_loaded_at": "timestamp",
    },
    "erasure_requests": {
        "email": "text",
        "requested_at": "timestamp",
        "_loaded_at": "timestamp",
    },
}

# Per table what a row must fill; of several columns in one entry, at least one.
REQUIRED: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "email_events": (("event_type",), ("occurred_at",), ("email",), ("_loaded_at",)),
    "web_events": (
        ("event_type",),
        ("occurred_at",),
        ("anonymous_id", "email"),
        ("_loaded_at",),
    ),
    "orders": (("order_id",), ("email",), ("ordered_at",), ("total_amount",), ("_loaded_at",)),
    "order_lines": (
        ("order_id",),
        ("line_number",),
        ("product_id",),
        ("quantity",),
        ("unit_price",),
        ("_loaded_at",),
    ),
    "products": (("product_id",), ("_loaded_at",)),
    "contacts": (("contact_id",), ("updated_at",), ("_loaded_at",)),
    "consents": (("email",), ("purpose",), ("status",), ("recorded_at",), ("_loaded_at",)),
    "campaigns": (("campaign_id",), ("_loaded_at",)),
    "erasure_requests": (("email",), ("requested_at",), ("_loaded_at",)),
}

_SIGNED_INTEGERS: Final = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"})
_INTEGERS: Final = _SIGNED_INTEGERS | {f"U{name}" for name in _SIGNED_INTEGERS}

# What a type of the contract may be stored as in DuckDB: whatever a cast turns into the contract's
# own type without a choice. A timestamp with a zone is not among them, because what it is cast to
# depends on the session.
_STORED_AS: Final[Mapping[Type, frozenset[str]]] = {
    "text": frozenset({"VARCHAR", "ENUM", "UUID"}),
    "timestamp": frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}),
    "date": frozenset({"DATE"}),
    "decimal": frozenset({"DECIMAL", "DOUBLE", "FLOAT"}) | _INTEGERS,
    "integer": _INTEGERS,
    "boolean": frozenset({"BOOLEAN"}),
    "json": frozenset({"JSON", "VARCHAR"}),
}


def is_stored_as(expected: Type, stored: str) -> bool:
    """Tell whether a stored DuckDB type can stand for a type of the contract."""
    name = stored.partition("(")[0]
    return name in _STORED_AS[expected] and not stored.endswith("]")


def read_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Return, per relation of the schema `raw`, its columns with their DuckDB types.

    Names are in lower case: another loader may spell them otherwise, and DuckDB does not mind.
    """
    rows = connection.execute(
        """
        select lower(table_name), lower(column_name), data_type
        from information_schema.columns
        where table_catalog = current_database() and table_schema = 'raw'
        order by table_name, ordinal_position
        """
    ).fetchall()
    columns: dict[str, dict[str, str]] = {}
    for table, column, stored in rows:
        columns.setdefault(table, {})[column] = stored
    return columns


def has_usable(columns: Columns, table: str, *names: str) -> bool:
    """Tell whether a table is there and holds all these columns in a type that can be read.

    A rule leaves out what is not: the rule about columns speaks of it already.
    """
    stored = columns.get(table, {})
    return all(
        name in stored and is_stored_as(EXPECTED[table][name], stored[name]) for name in names
    )
