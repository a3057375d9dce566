"""The raw contract as data: which tables a landing folder fills, and what each column takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Type = Literal[
    "text", "timestamp", "date", "decimal", "decimal(18,6)", "integer", "boolean", "json"
]

# Raised when a table or column changes; `loader.prepare` brings older warehouses up to it.
SCHEMA_VERSION: Final = 3

SCHEMA: Final = "raw"

SQL_TYPES: Final[Mapping[Type, str]] = MappingProxyType(
    {
        "text": "VARCHAR",
        "timestamp": "TIMESTAMP",
        "date": "DATE",
        "decimal": "DECIMAL(18,2)",
        "decimal(18,6)": "DECIMAL(18,6)",
        "integer": "BIGINT",
        "boolean": "BOOLEAN",
        "json": "JSON",
    }
)


@dataclass(frozen=True)
class Column:
    """One column of a raw table.

    `values` lists the only values that an enum takes; free text has none listed.
    `is_bounded_time` marks times before 2000 or after the load as unusable. `since` is the
    version of the schema that brought the column: warehouses of an older one lack it rightly.
    """

    name: str
    type: Type
    is_required: bool = False
    values: tuple[str, ...] = ()
    is_bounded_time: bool = False
    since: int = 1

    @property
    def sql_type(self) -> str:
        """Return the DuckDB type that stores this column."""
        return SQL_TYPES[self.type]


@dataclass(frozen=True)
class Table:
    """One raw table; of the columns in `needs_one_of`, a row must fill at least one."""

    name: str
    description: str
    columns: tuple[Column, ...]
    needs_one_of: tuple[str, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return the names of the columns in the contract's order."""
        return tuple(column.name for column in self.columns)


# Every row of every raw table carries these, after the columns of the contract.
ROW_ORIGIN: Final = (
    Column("_loaded_at", "timestamp", is_required=True),
    Column("_file", "text"),
    Column("_row", "integer"),
)

_TABLES = (
    Table(
        "email_events",
        "What happened to one e-mail to one address, as the e-mail service reports it.",
        (
            Column("event_id", "text"),
            Column(
                "event_type",
                "text",
                is_required=True,
                values=(
                    "sent",
                    "delivered",
                    "deferred",
                    "bounce",
                    "dropped",
                    "open",
                    "click",
                    "complaint",
                    "unsubscribe",
                ),
            ),
            Column("occurred_at", "timestamp", is_required=True, is_bounded_time=True),
            Column("email", "text", is_required=True),
            Column("message_id", "text"),
            Column("campaign_id", "text"),
            Column("url", "text"),
            Column("user_agent", "text"),
            Column("ip", "text"),
            Column("is_machine", "boolean"),
            Column("bounce_type", "text"),
            Column("provider", "text"),
        ),
    ),
    Table(
        "web_events",
        "One thing that a visitor did on the site, known by address or only by a cookie.",
        (
            Column("event_id", "text"),
            Column("event_type", "text", is_required=True),
            Column("occurred_at", "timestamp", is_required=True, is_bounded_time=True),
            Column("anonymous_id", "text"),
            Column("email", "text"),
            Column("session_id", "text"),
            Column("url", "text"),
            Column("referrer", "text"),
            Column("utm_source", "text"),
            Column("utm_medium", "text"),
            Column("utm_campaign", "text"),
            Column("product_id", "text"),
            Column("category", "text"),
            Column("quantity", "integer"),
            Column("unit_price", "decimal"),
            Column("device_type", "text"),
            Column("country", "text"),
            Column("region", "text"),
            Column("city", "text"),
            Column("properties", "json"),
        ),
        needs_one_of=("anonymous_id", "email"),
    ),
    Table(
        "orders",
        "One version of an order; the newest `updated_at` counts.",
        (
            Column("order_id", "text", is_required=True),
            Column("email", "text", is_required=True),
            Column("ordered_at", "timestamp", is_required=True, is_bounded_time=True),
            Column("status", "text"),
            Column("currency", "text"),
            Column("total_amount", "decimal", is_required=True),
            Column("updated_at", "timestamp", is_bounded_time=True),
        ),
    ),
    Table(
        "order_lines",
        "One version of a line of an order.",
        (
            Column("order_id", "text", is_required=True),
            Column("line_number", "integer", is_required=True),
            Column("product_id", "text", is_required=True),
            Column("quantity", "integer", is_required=True),
            Column("unit_price", "decimal(18,6)", is_required=True),
            Column("updated_at", "timestamp", is_bounded_time=True),
        ),
    ),
    Table(
        "products",
        "One version of a product.",
        (
            Column("product_id", "text", is_required=True),
            Column("name", "text"),
            Column("category", "text"),
            Column("price", "decimal"),
            Column("description", "text"),
            Column("updated_at", "timestamp", is_bounded_time=True),
        ),
    ),
    Table(
        "contacts",
        "One version of a row of a CRM; the newest `updated_at` counts.",
        (
            Column("contact_id", "text", is_required=True),
            Column("email", "text"),
            Column("phone", "text"),
            Column("first_name", "text"),
            Column("last_name", "text"),
            Column("birth_date", "date"),
            Column("country", "text"),
            Column("region", "text"),
            Column("city", "text"),
            Column("postal_code", "text"),
            Column("timezone", "text"),
            Column("created_at", "timestamp"),
            Column("updated_at", "timestamp", is_required=True, is_bounded_time=True),
            Column("is_deleted", "boolean"),
            Column("source_system", "text"),
        ),
    ),
    Table(
        "consents",
        "One granting or withdrawal of one consent; append-only.",
        (
            Column("email", "text", is_required=True),
            Column("purpose", "text", is_required=True),
            Column("status", "text", is_required=True, values=("granted", "withdrawn")),
            Column("recorded_at", "timestamp", is_required=True, is_bounded_time=True),
            Column("source", "text"),
            Column("expires_at", "timestamp"),
        ),
    ),
    Table(
        "campaigns",
        "One version of a campaign.",
        (
            Column("campaign_id", "text", is_required=True),
            Column("name", "text"),
            Column("subject", "text"),
            Column("sent_at", "timestamp"),
            Column("category", "text"),
            Column("updated_at", "timestamp", is_bounded_time=True),
        ),
    ),
    Table(
        "erasure_requests",
        "One wish of a person to be forgotten.",
        (
            Column("email", "text", is_required=True),
            Column("requested_at", "timestamp", is_required=True),
        ),
    ),
)

TABLES: Final[Mapping[str, Table]] = MappingProxyType({table.name: table for table in _TABLES})

LOADED_FILES: Final = Table(
    "loaded_files",
    "The ledger: one row per file that a load has dealt with, as it was dealt with last; "
    "`gone_at` is the first load that did not find it any more.",
    (
        Column("table_name", "text", is_required=True),
        Column("path", "text", is_required=True),
        Column("size_bytes", "integer", is_required=True),
        Column("modified_at", "timestamp", is_required=True),
        Column("content_hash", "text"),
        Column(
            "status",
            "text",
            is_required=True,
            values=("loaded", "rejected", "changed", "unread"),
        ),
        Column("rows_loaded", "integer", is_required=True),
        Column("rows_rejected", "integer", is_required=True),
        Column("unknown_columns", "json", is_required=True),
        Column("reason", "text"),
        Column("loaded_at", "timestamp", is_required=True),
        Column("gone_at", "timestamp", since=2),
    ),
)

REJECTED_ROWS: Final = Table(
    "rejected_rows",
    "One row per row of a loaded file that could not be used, with the reason and its text.",
    (
        Column("table_name", "text", is_required=True),
        Column("path", "text", is_required=True),
        Column("row_number", "integer"),
        Column("reason", "text", is_required=True),
        Column("raw_text", "text"),
        Column("loaded_at", "timestamp", is_required=True),
    ),
)

ERASURES: Final = Table(
    "erasures",
    "One row per address that was erased, and per contact, order and visitor that went with one: "
    "an HMAC, by which it is known again, and the instant from which it is to be erased.",
    (
        Column("kind", "text", is_required=True, values=("address", "contact", "order", "visitor")),
        Column("digest", "text", is_required=True),
        Column("effective_at", "timestamp", is_required=True),
        Column("erased_at", "timestamp", is_required=True),
    ),
)

ERASURE_CHECKS: Final = Table(
    "erasure_checks",
    "One row per raw table: up to which load it is known to name nobody who was erased, and how "
    "many rows that were.",
    (
        Column("table_name", "text", is_required=True),
        Column("loaded_until", "timestamp"),
        Column("rows", "integer", is_required=True),
    ),
)
