"""A small shop on a Tuesday morning, in raw tables that a test fills by hand."""

from datetime import datetime, timedelta

import duckdb

from expectations import verdicts
from ingestion import contract

MONDAY = datetime.fromisoformat("2026-03-02T06:00:00")
TUESDAY = MONDAY + timedelta(days=1)
WEDNESDAY = MONDAY + timedelta(days=2)
AS_OF = TUESDAY


def fill(connection: duckdb.DuckDBPyConnection) -> None:
    """Make a warehouse in which Ada opened something on Monday, loaded and built on Tuesday."""
    make_raw_tables(connection)
    verdicts.prepare(connection)
    add_email_event(connection)
    add_build(connection, TUESDAY)


def make_raw_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the raw tables, the ledger and the rejected rows, all empty, as a loader does."""
    connection.execute("create schema raw")
    for table in contract.TABLES.values():
        make_table(connection, table.name, (*table.columns, *contract.ROW_ORIGIN))
    make_table(connection, "loaded_files", contract.LOADED_FILES.columns)
    make_table(connection, "rejected_rows", contract.REJECTED_ROWS.columns)


def make_table(
    connection: duckdb.DuckDBPyConnection, name: str, columns: tuple[contract.Column, ...]
) -> None:
    """Make one table of these columns."""
    definitions = ", ".join(f'"{column.name}" {column.sql_type}' for column in columns)
    connection.execute(f'create table raw."{name}" ({definitions})')


def add(connection: duckdb.DuckDBPyConnection, table: str, **values: object) -> None:
    """Add one row to a raw table; columns not named stay null."""
    insert(connection, f"raw.{table}", **values)


def add_email_event(
    connection: duckdb.DuckDBPyConnection,
    event_type: str | None = "open",
    *,
    occurred_at: datetime = MONDAY,
    email: str | None = "ada@example.com",
    bounce_type: str | None = None,
) -> None:
    """Add an email event; without more, Ada opens something on Monday."""
    add(
        connection,
        "email_events",
        event_type=event_type,
        occurred_at=occurred_at,
        email=email,
        bounce_type=bounce_type,
        _loaded_at=TUESDAY,
    )


def add_file(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    path: str,
    *,
    loaded: int = 0,
    rejected: int = 0,
    status: str = "loaded",
    loaded_at: datetime = TUESDAY,
    gone_at: datetime | None = None,
) -> None:
    """Write a file into the ledger, in place of what it said of it before."""
    connection.execute(
        "delete from raw.loaded_files where table_name = ? and path = ?", [table, path]
    )
    add(
        connection,
        "loaded_files",
        table_name=table,
        path=path,
        size_bytes=1,
        modified_at=MONDAY,
        status=status,
        rows_loaded=loaded,
        rows_rejected=rejected,
        unknown_columns="[]",
        loaded_at=loaded_at,
        gone_at=gone_at,
    )


def add_rejected_row(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    raw_text: str | None,
    *,
    path: str = "day.csv",
    row: int | None = 1,
    reason: str = "occurred_at is no timestamp",
    loaded_at: datetime = TUESDAY,
) -> None:
    """Keep a row that could not be used, as a loader does."""
    add(
        connection,
        "rejected_rows",
        table_name=table,
        path=path,
        row_number=row,
        reason=reason,
        raw_text=raw_text,
        loaded_at=loaded_at,
    )


def add_build(connection: duckdb.DuckDBPyConnection, built_at: datetime) -> None:
    """Note a build of the marts, as they do themselves."""
    connection.execute("create schema if not exists marts")
    connection.execute("create table if not exists marts.fct_builds (built_at timestamp)")
    connection.execute("insert into marts.fct_builds values (?)", [built_at])
    make_payload(connection)


def make_payload(connection: duckdb.DuckDBPyConnection) -> None:
    """Make what there is for the destinations, empty, where it is not there yet."""
    connection.execute(
        """
        create schema if not exists sync;
        create table if not exists sync.profiles (
            profile_id varchar, email varchar, churn_probability double, open_probability double
        );
        create table if not exists sync.segment_members (
            segment varchar, profile_id varchar, email varchar
        );
        create table if not exists sync.suppressions (
            profile_id varchar, email varchar, reason varchar
        );
        """
    )


def make_marts(connection: duckdb.DuckDBPyConnection) -> None:
    """Make what the doors read of the marts, empty, with the columns that they read."""
    for schema in ("marts", "intermediate"):
        connection.execute(f"create schema if not exists {schema}")
    counts = [
        *(
            f"{what}_last_{days}_days"
            for what in ("emails_opened", "links_clicked")
            for days in (7, 14, 30, 90)
        ),
        *("orders_last_30_days", "orders_last_90_days", "lifetime_orders"),
        "web_sessions_last_7_days",
    ]
    connection.execute(
        f"""
        create table marts.dim_profiles (
            profile_id varchar, email varchar, engagement_tier varchar, inactive_reason varchar,
            may_be_mailed boolean, engagement_score double,
            {", ".join(f"{name} bigint default 0" for name in counts)},
            first_seen_at timestamp, last_engaged_at timestamp, last_order_at timestamp
        );
        create table intermediate.int_orders__versioned (
            order_id varchar, is_order boolean, currency varchar, total_amount decimal(18, 2),
            revenue_amount decimal(18, 2), superseded_at timestamp
        );
        create table marts.ftr_churn (
            profile_id varchar, cutoff_at timestamp, is_churned boolean
        );
        """
    )
    make_payload(connection)


def add_profile(
    connection: duckdb.DuckDBPyConnection, name: str = "ada", **changes: object
) -> None:
    """Add somebody who may be mailed to marts.dim_profiles, with some of it changed."""
    values: dict[str, object] = {
        "profile_id": name,
        "email": f"{name}@example.com",
        "engagement_tier": "moderately_engaged",
        "may_be_mailed": True,
        "engagement_score": 1.5,
        "first_seen_at": MONDAY,
        **changes,
    }
    insert(connection, "marts.dim_profiles", **values)


def add_profiles(connection: duckdb.DuckDBPyConnection, **tiers: int) -> None:
    """Put so many profiles of each tier in the place of all that are there."""
    connection.execute("delete from marts.dim_profiles")
    for tier, count in tiers.items():
        connection.execute(
            """
            insert into marts.dim_profiles by name
            select
                $tier || n as profile_id,
                $tier || n || '@example.com' as email,
                $tier as engagement_tier,
                case when $tier = 'inactive' then 'ignored' end as inactive_reason,
                1.5 as engagement_score,
                $monday::timestamp as first_seen_at
            from range($count) as numbers (n)
            """,
            {"tier": tier, "count": count, "monday": MONDAY},
        )


def insert(connection: duckdb.DuckDBPyConnection, relation: str, **values: object) -> None:
    """Add one row to any relation; columns not named take their default."""
    names = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join("?" for _ in values)
    connection.execute(f"insert into {relation} ({names}) values ({marks})", list(values.values()))
