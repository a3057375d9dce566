"""Compare a built warehouse with the definitions, row for row, and say readably what differs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb

from tests.oracle import worlds
from tests.oracle.definitions import SCORED_SEGMENTS, marts
from tests.oracle.engagement import IsMachineAgent
from tests.oracle.known import normalise
from tests.oracle.raw import Row, World
from tests.oracle.segments import Scores

SHOWN_PER_TABLE = 12
"""How many differences of one table are spelled out; the rest are counted."""


@dataclass(frozen=True)
class Comparison:
    """How one table is read: what names a row, what else must agree, under which other names."""

    table: str
    key: tuple[str, ...]
    values: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    """Compared only where the built table has them."""
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    has_email: bool = False
    """Whether the built table names profiles by address itself, not by id alone."""
    has_profile: bool = True


def _either_way(noun: str, kind: str) -> tuple[str, ...]:
    names = (f"{noun}_{kind}", f"{kind}_{noun}")
    return (*names, noun) if kind == "total" else names


COUNTS = tuple(
    f"{noun}_{kind}"
    for noun in ("opens", "clicks")
    for kind in ("total", "unique", "human", "machine")
)
COMPARISONS = (
    Comparison(
        "marts.dim_profiles",
        key=("email",),
        values=(
            "first_name", "last_name", "country", "region", "city", "timezone", "first_seen_at",
            "last_engaged_at",
            *(f"emails_opened_last_{days}_days" for days in (7, 14, 30, 90)),
            *(f"links_clicked_last_{days}_days" for days in (7, 14, 30, 90)),
            "orders_last_30_days", "orders_last_90_days", "revenue_last_90_days",
            "lifetime_orders", "lifetime_revenue", "average_order_value", "last_order_at",
            "web_sessions_last_7_days", "engagement_score", "engagement_tier",
            "engagement_tier_all_opens", "engagement_tier_clicks_only", "inactive_reason",
            "may_be_mailed", "may_be_profiled", "suppression_reason",
        ),
        has_email=True,
    ),
    Comparison(
        "marts.fct_email_events",
        key=("email", "event_type", "occurred_at", "message_id", "url"),
        values=("campaign_id", "is_human", "machine_reason"),
    ),
    Comparison(
        "marts.fct_web_events",
        key=("email", "event_type", "occurred_at", "session_id", "product_id"),
        optional=(
            "url", "anonymous_id", "referrer", "utm_source", "utm_medium", "utm_campaign",
            "category", "quantity", "unit_price", "device_type", "country", "region", "city",
        ),
    ),
    Comparison(
        "marts.fct_orders",
        key=("order_id",),
        values=("email", "ordered_at", "status", "total_amount", "currency"),
    ),
    Comparison(
        "marts.fct_quarantined_rows", key=("source_table", "occurred_at"), has_profile=False
    ),
    Comparison(
        "marts.rpt_campaign_performance",
        key=("campaign_id",),
        values=("sent", "delivered", "bounces", "complaints", "unsubscribes", *COUNTS),
        aliases={
            f"{noun}_{kind}": _either_way(noun, kind)
            for noun in ("opens", "clicks")
            for kind in ("total", "unique", "human", "machine")
        },
        has_profile=False,
    ),
    Comparison(
        "marts.fct_engagement_tier_spells",
        key=("email", "valid_from"),
        values=("engagement_tier", "valid_to"),
    ),
    Comparison("marts.fct_segment_members", key=("email", "segment"), values=("attribute",)),
    Comparison("marts.ftr_churn", key=("email", "cutoff_at"), values=("is_churned",)),
    Comparison(
        "marts.ftr_open_propensity",
        key=("email", "message_id"),
        values=("sent_at", "is_opened"),
    ),
    Comparison("sync.profiles", key=("email",), has_email=True),
    Comparison(
        "sync.segment_members", key=("email", "segment"), values=("attribute",), has_email=True
    ),
    Comparison("sync.suppressions", key=("email",), values=("reason",), has_email=True),
)  # fmt: skip


def differences(
    connection: duckdb.DuckDBPyConnection,
    world: World,
    as_of: datetime,
    tables: Collection[str] | None = None,
    *,
    is_machine_agent: IsMachineAgent = worlds.is_machine_agent,
) -> list[str]:
    """Return how the built public tables differ from the definitions, empty if nowhere.

    `tables` narrows the comparison, by full names such as `marts.dim_profiles`. Scores are read
    from `marts.profile_scores` where it exists, and the segments that follow from them are then
    compared as well. Needs `marts.dim_profiles` for the addresses behind the ids.
    """
    if not built_columns(connection, "marts.dim_profiles"):
        return ["marts.dim_profiles: the table is not there, and no address is known without it"]
    scores = built_scores(connection)
    expected = marts(world, as_of, is_machine_agent, scores)
    found: list[str] = []
    for comparison in COMPARISONS:
        if tables is not None and comparison.table not in tables:
            continue
        columns = built_columns(connection, comparison.table)
        if not columns:
            found.append(f"{comparison.table}: the table is not there")
            continue
        found += compared(connection, comparison, columns, expected[comparison.table], world)
    return found


def built_columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Return the columns of a built table, none if it does not exist."""
    schema, name = table.split(".")
    rows = connection.execute(
        "select column_name from information_schema.columns"
        " where table_schema = ? and table_name = ? and table_catalog = current_database()"
        " order by ordinal_position",
        [schema, name],
    ).fetchall()
    return [column for (column,) in rows]


def built_scores(connection: duckdb.DuckDBPyConnection) -> dict[str, Scores] | None:
    """Return the scores of a build by address, null where it has no table of them."""
    if not built_columns(connection, "marts.profile_scores"):
        return None
    rows = connection.execute(
        "select profiles.email, scores.churn_probability, scores.open_probability"
        " from marts.profile_scores as scores"
        " inner join marts.dim_profiles as profiles using (profile_id)"
    ).fetchall()
    return {
        email: Scores(
            churn=None if churn is None else float(churn),
            open=None if opened is None else float(opened),
        )
        for email, churn, opened in rows
    }


def compared(
    connection: duckdb.DuckDBPyConnection,
    comparison: Comparison,
    columns: Sequence[str],
    expected: Sequence[Row],
    world: World,
) -> list[str]:
    """Return the differences of one table."""
    table = comparison.table
    found: list[str] = []
    sources: dict[str, str] = {}
    for column in (*comparison.key, *comparison.values, *comparison.optional):
        names = comparison.aliases.get(column, (column,))
        source = next((name for name in names if name in columns), None)
        if column == "email" and not comparison.has_email:
            sources[column] = "profiles.email"
        elif source is not None:
            sources[column] = f'built."{source}"'
        elif column not in comparison.optional:
            found.append(f"{table}: there is no column {column}")
    key = [column for column in comparison.key if column in sources]
    values = [c for c in (*comparison.values, *comparison.optional) if c in sources]

    actual, orphans = built_rows(connection, comparison, sources)
    if orphans:
        found.append(f"{table}: {orphans} rows whose profile_id is not in marts.dim_profiles")
    expected, actual = comparable(table, expected, actual, world)
    if table in ("marts.fct_segment_members", "sync.segment_members"):
        has_scores = built_columns(connection, "marts.profile_scores")
        actual = [row for row in actual if has_scores or row["segment"] not in SCORED_SEGMENTS]

    unlike = row_differences(table, key, values, expected, actual)
    found += unlike[:SHOWN_PER_TABLE]
    if len(unlike) > SHOWN_PER_TABLE:
        found.append(f"{table}: and {len(unlike) - SHOWN_PER_TABLE} more differences")
    return found


def built_rows(
    connection: duckdb.DuckDBPyConnection, comparison: Comparison, sources: Mapping[str, str]
) -> tuple[list[Row], int]:
    """Return the compared columns of a built table, and how many rows name no known profile."""
    selected = ", ".join(f'{source} as "{column}"' for column, source in sources.items())
    join = ""
    if comparison.has_profile and comparison.table != "marts.dim_profiles":
        join = " left join marts.dim_profiles as profiles on built.profile_id = profiles.profile_id"
    origin = f"from {comparison.table} as built{join}"
    orphans = 0
    if join:
        counted = connection.execute(
            f"select count(*) {origin} where profiles.profile_id is null"
        ).fetchone()
        orphans = 0 if counted is None else int(counted[0])
    rows = connection.execute(f"select {selected} {origin}").fetchall()
    return [dict(zip(sources, row, strict=True)) for row in rows], orphans


def comparable(
    table: str, expected: Sequence[Row], actual: Sequence[Row], world: World
) -> tuple[list[Row], list[Row]]:
    """Bring both sides to the words that the definitions fix."""
    if table != "sync.suppressions":
        return list(expected), list(actual)
    # Of who asked for erasure after `as_of` the text only says that nobody may reach them;
    # and it names no words for reasons other than a suppression's.
    asked = {normalise(request["email"]) for request in world.erasure_requests}
    named = {"hard_bounce", "destination", "complaint", "unsubscribe"}
    settled = [
        {**row, "reason": row["reason"] if row["reason"] in named else None}
        for row in actual
        if row["email"] not in asked
    ]
    return list(expected), settled


def row_differences(
    table: str,
    key: Sequence[str],
    values: Sequence[str],
    expected: Sequence[Row],
    actual: Sequence[Row],
) -> list[str]:
    """Return missing, extra and unlike rows, each in one sentence."""
    found = []
    expected_rows = by_key(key, expected)
    actual_rows = by_key(key, actual)
    for name in sorted({*expected_rows, *actual_rows}, key=repr):
        wanted = expected_rows.get(name, [])
        built = actual_rows.get(name, [])
        label = ", ".join(f"{column}={shown(part)}" for column, part in zip(key, name, strict=True))
        if len(wanted) != len(built):
            kind = "missing" if len(wanted) > len(built) else "extra"
            sample = (wanted or built)[0]
            rest = ", ".join(f"{column}={shown(sample[column])}" for column in values)
            counts = f"{len(wanted)} by definition, {len(built)} built"
            found.append(f"{table}: {kind} {label} ({counts})" + (f": {rest}" if rest else ""))
            continue
        for want, have in matched(values, wanted, built):
            for column in values:
                if not alike(want[column], have[column]):
                    found.append(
                        f"{table}: {label}: {column} is {shown(have[column])},"
                        f" by definition {shown(want[column])}"
                    )
    return found


def by_key(key: Sequence[str], rows: Sequence[Row]) -> dict[tuple[Any, ...], list[Row]]:
    """Gather rows under their key."""
    gathered: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        gathered.setdefault(tuple(row[column] for column in key), []).append(row)
    return gathered


def matched(
    values: Sequence[str], wanted: Sequence[Row], built: Sequence[Row]
) -> list[tuple[Row, Row]]:
    """Pair as many rows under one key as are alike; the rest in sorted order."""

    def frozen(row: Row) -> tuple[str, ...]:
        return tuple(shown(plain(row[column])) for column in values)

    if len(wanted) == 1:
        return [(wanted[0], built[0])]
    common = Counter(map(frozen, wanted)) & Counter(map(frozen, built))
    sides = []
    for rows in (wanted, built):
        left = Counter(common)
        rest = []
        for row in sorted(rows, key=frozen):
            if left[frozen(row)] > 0:
                left[frozen(row)] -= 1
            else:
                rest.append(row)
        sides.append(rest)
    return list(zip(*sides, strict=True))


def plain(value: Any) -> Any:
    """Write numbers of every kind the same way."""
    if isinstance(value, Decimal | float | int) and not isinstance(value, bool):
        return float(value)
    return value


def alike(wanted: Any, built: Any) -> bool:
    """Tell whether two values agree; numbers to 1e-9, relative or absolute."""
    if wanted is None or built is None:
        return wanted is built
    wanted, built = plain(wanted), plain(built)
    if isinstance(wanted, float) and isinstance(built, float):
        return math.isclose(wanted, built, rel_tol=1e-9, abs_tol=1e-9)
    return bool(wanted == built)


def shown(value: Any) -> str:
    """Write a value for a reader: instants to the microsecond, text in quotes, null as null."""
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    return str(value) if isinstance(value, Decimal) else repr(value)
