"""All that is known of one person, and why: the access request, and what support asks first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingestion.contract import TABLES
from ingestion.erasure import normalise
from ingestion.values import quote
from orchestration.summary import REFUSALS

_INACTIVE = {
    "new": "first seen less than 30 days ago",
    "not_mailed": "nothing was sent in 30 days",
    "opens_hidden": "a machine opened for the person, who may read behind it",
    "ignored": "is mailed, and opens nothing",
}


@dataclass(frozen=True)
class Part:
    """One table of an explanation: its title, what the columns are called, and the rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def explain(
    connection: duckdb.DuckDBPyConnection,
    email: str,
    *,
    as_of: datetime,
    segments: Iterable[Mapping[str, str]],
) -> list[Part]:
    """Return what the newest build, of which `as_of` is, and the raw tables know of an address.

    Where no profile has it, the raw tables are all there is to tell of.
    """
    parts = [Part("Rows with this address", ("table", "rows"), _count_raw_rows(connection, email))]
    found = connection.execute(
        f"""
        select profiles.profile_id, keys.profile_key
        from marts.dim_profiles as profiles
        inner join intermediate.int_profiles__resolved as keys using (profile_id)
        where profiles.email = {normalise("$email")}
        """,
        {"email": email},
    ).fetchone()
    if found is None:
        return parts
    profile_id, profile_key = found
    signals = _read_row(connection, "marts.profile_signals", "profile_id", profile_id)
    return [
        Part("Person", ("what", "is"), _describe(connection, profile_id)),
        *parts,
        Part("Permission", ("what", "is"), _tell_permission(connection, profile_key)),
        Part(
            "Consents, newest first",
            ("purpose", "status", "recorded", "expires", "source"),
            _read_consents(connection, email, as_of),
        ),
        Part(
            f"Why {signals['engagement_tier']}"
            + (f": {_INACTIVE[reason]}" if (reason := signals["inactive_reason"]) else ""),
            ("tier", "days", "emails opened", "needs", "links clicked", "needs", "of the two"),
            _weigh_tiers(connection, profile_key, as_of),
        ),
        Part(
            "Tiers so far",
            ("tier", "from", "to"),
            connection.execute(
                "select engagement_tier, valid_from, valid_to"
                " from marts.fct_engagement_tier_spells where profile_id = ? order by valid_from",
                [profile_id],
            ).fetchall(),
        ),
        Part(
            "Segments",
            ("segment", "member since", "attribute", "the rule", "here"),
            _judge_segments(connection, profile_id, signals, segments),
        ),
        Part("Scores", ("what", "is"), _read_scores(connection, profile_id)),
        Part(
            "What destinations hold",
            ("destination", "told of", "since"),
            _read_told(connection, profile_id),
        ),
    ]


def show(parts: Iterable[Part], console: Console) -> None:
    """Print an explanation; a part without rows says so."""
    for part in parts:
        table = Table(title=part.title, title_justify="left", title_style="bold", box=None)
        for number, column in enumerate(part.columns):
            table.add_column(column, overflow="fold", no_wrap=number == 0)
        for row in part.rows:
            # As it is: what somebody's name has in brackets is no markup.
            table.add_row(*(Text(_say(value)) for value in row))
        console.print(table if part.rows else f"[bold]{part.title}[/bold]\nnone")
        console.print()


def _say(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.isoformat(sep=' ', timespec='seconds')} UTC"
        case float():
            return f"{value:.4g}"
        case list():
            return ", ".join(map(_say, value))
        case _:
            return str(value)


def _count_raw_rows(connection: duckdb.DuckDBPyConnection, email: str) -> list[tuple[str, int]]:
    counted = [
        f"select '{table.name}', count(*) from raw.{quote(table.name)}"
        f" where {normalise('email')} = {normalise('$email')}"
        for table in TABLES.values()
        if "email" in table.column_names
    ]
    return connection.execute(" union all ".join(counted), {"email": email}).fetchall()


def _read_row(
    connection: duckdb.DuckDBPyConnection, table: str, key: str, value: object
) -> dict[str, Any]:
    cursor = connection.execute(f"select * from {table} where {key} = ?", [value])
    names = [name for name, *_ in cursor.description or ()]
    row = cursor.fetchone()
    return dict(zip(names, row, strict=True)) if row else dict.fromkeys(names)


def _describe(connection: duckdb.DuckDBPyConnection, profile_id: str) -> list[tuple[str, Any]]:
    profile = _read_row(connection, "marts.dim_profiles", "profile_id", profile_id)
    elsewhere = {"may_be_mailed", "may_be_profiled", "suppression_reason"}
    return [
        (name.replace("_", " "), value)
        for name, value in profile.items()
        if value is not None and name not in elsewhere
    ]


def _tell_permission(
    connection: duckdb.DuckDBPyConnection, profile_key: int
) -> list[tuple[str, Any]]:
    permission = _read_row(
        connection, "intermediate.int_profiles__permitted", "profile_key", profile_key
    )
    refusal = permission["delivery_refusal_reason"]
    return [
        ("may be mailed, as of the build", permission["may_be_mailed"]),
        ("destinations may be told", permission["may_be_delivered"]),
        ("why not", REFUSALS.get(refusal, refusal)),
        ("may be profiled", permission["may_be_profiled"]),
        ("scores may be told", permission["scores_may_be_delivered"]),
    ]


def _read_consents(
    connection: duckdb.DuckDBPyConnection, email: str, as_of: datetime
) -> list[tuple[Any, ...]]:
    return connection.execute(
        f"""
        select
            purpose,
            status || case when recorded_at > $as_of then ' (after the build)' else '' end,
            recorded_at, expires_at, source
        from raw.consents
        where {normalise("email")} = {normalise("$email")}
        order by recorded_at desc, status desc
        """,
        {"email": email, "as_of": as_of},
    ).fetchall()


def _weigh_tiers(
    connection: duckdb.DuckDBPyConnection, profile_key: int, as_of: datetime
) -> list[tuple[Any, ...]]:
    """Return each tier's rule beside what the person did within its days."""
    return connection.execute(
        """
        with engagements as (
            select event_type, last_human_at from intermediate.int_engagements__collapsed
            where profile_key = $profile_key and last_human_at is not null
        )
        select
            tiers.engagement_tier,
            tiers.window_days,
            count(*) filter (where engagements.event_type = 'open'),
            tiers.min_emails_opened,
            count(*) filter (where engagements.event_type = 'click'),
            tiers.min_links_clicked,
            tiers.needs
        from seeds.engagement_tiers as tiers
        left join engagements
            on engagements.last_human_at > $as_of - to_hours(24 * tiers.window_days)
        where tiers.window_days is not null
        group by all
        order by any_value(tiers.tier_rank)
        """,
        {"profile_key": profile_key, "as_of": as_of},
    ).fetchall()


def _judge_segments(
    connection: duckdb.DuckDBPyConnection,
    profile_id: str,
    signals: Mapping[str, Any],
    segments: Iterable[Mapping[str, str]],
) -> list[tuple[Any, ...]]:
    """Return each segment with its rule and the signals of the person that it names."""
    members = {
        segment: (entered_at, attribute)
        for segment, entered_at, attribute in connection.execute(
            "select segment, entered_at, attribute from marts.fct_segment_members"
            " where profile_id = ?",
            [profile_id],
        ).fetchall()
    }
    judged = []
    for segment in segments:
        rule = " ".join(segment["rule"].split())
        named = [name for name in signals if re.search(rf"\b{name}\b", rule)]
        values = "; ".join(f"{name} = {_say(signals[name])}" for name in named)
        judged.append((segment["name"], *members.get(segment["name"], (None, None)), rule, values))
    return judged


def _read_scores(connection: duckdb.DuckDBPyConnection, profile_id: str) -> list[tuple[str, Any]]:
    scores = _read_row(connection, "marts.profile_scores", "profile_id", profile_id)
    return [
        (name.replace("_", " "), value)
        for name, value in scores.items()
        if value is not None and name != "profile_id"
    ]


def _read_told(connection: duckdb.DuckDBPyConnection, profile_id: str) -> list[tuple[Any, ...]]:
    """Return what each destination has acknowledged, with the time of its last word on it."""
    is_there = connection.execute(
        "select 1 from duckdb_tables() where database_name = current_database()"
        " and schema_name = 'reverse_etl' and table_name = 'acknowledged_profiles'"
    ).fetchone()
    if not is_there:
        return []
    return connection.execute(
        """
        with held as (
            select destination, 'profile' as kind, null as segment, 'the profile' as told
            from reverse_etl.acknowledged_profiles where profile_id = $profile_id
            union all
            select destination, 'segment_member', segment, 'segment ' || segment
            from reverse_etl.acknowledged_members where profile_id = $profile_id
            union all
            select destination, 'suppression', null, 'not to be mailed: ' || reason
            from reverse_etl.acknowledged_suppressions where profile_id = $profile_id
            union all
            select destination, 'refusal', null, 'refuses to contact: ' || coalesce(reason, '')
            from reverse_etl.refused_profiles where profile_id = $profile_id
        )
        select held.destination, held.told, max(receipts."at")
        from held
        left join reverse_etl.receipts as receipts
            on
                receipts.profile_id = $profile_id
                and receipts.destination = held.destination
                and receipts.kind = held.kind
                and receipts.segment is not distinct from held.segment
        group by all
        order by all
        """,
        {"profile_id": profile_id},
    ).fetchall()
