"""What should be at the destinations: whether it may be delivered at all, and fits the settings."""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from reverse_etl.configuration import ConfigurationError, DestinationSettings

_SYNC_COLUMNS = {
    "profiles": ("profile_id", "email", "engagement_tier"),
    "segment_members": ("segment", "profile_id", "email", "attribute"),
    "suppressions": ("profile_id", "email", "reason"),
}

# Each with the number of what is wrong and the sentence for it.
_CONTRADICTIONS = (
    (
        "select count(*) from sync.profiles where profile_id is null or email is null",
        "sync.profiles has {:,} rows without a profile_id or an email",
    ),
    (
        "select count(*) - count(distinct profile_id) from sync.profiles",
        "sync.profiles repeats a profile_id {:,} times",
    ),
    (
        "select count(*) - count(distinct lower(trim(email))) from sync.profiles",
        "sync.profiles gives one address to several profiles, {:,} times",
    ),
    (
        """
        select count(*) - count(distinct (segment, profile_id))
        from sync.segment_members
        """,
        "sync.segment_members repeats a segment and profile_id {:,} times",
    ),
    (
        """
        select count(*)
        from sync.segment_members as members
        anti join sync.profiles as profiles
            on members.profile_id = profiles.profile_id and members.email = profiles.email
        """,
        "sync.segment_members has {:,} rows of people who are not in sync.profiles",
    ),
    (
        "select count(*) - count(distinct profile_id) from sync.suppressions",
        "sync.suppressions repeats a profile_id {:,} times",
    ),
    (
        """
        select count(*)
        from sync.profiles
        where
            profile_id in (select profile_id from sync.suppressions)
            or email in (select email from sync.suppressions)
        """,
        "{:,} people are in sync.profiles and in sync.suppressions",
    ),
)


class SyncError(RuntimeError):
    """Say why the desired state cannot be delivered by anybody."""


def check_sync(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a desired state that contradicts itself, before anybody is told of it.

    Raise `SyncError` where a table or column is missing, a profile or address stands twice, a
    member is no profile or differs from it in its address, or somebody may and may not be mailed.
    """
    for table, expected in _SYNC_COLUMNS.items():
        existing = _column_types(connection, table)
        missing = [name for name in expected if name not in existing]
        if missing:
            raise SyncError(
                f"sync.{table} has no {', '.join(missing)}: build the models first (mailmart run)"
            )
    for question, complaint in _CONTRADICTIONS:
        ((wrong,),) = connection.execute(question).fetchall()
        if wrong:
            raise SyncError(f"{complaint.format(wrong)}; nothing is delivered to anybody")


def check_settings(
    connection: duckdb.DuckDBPyConnection, name: str, settings: DestinationSettings
) -> None:
    """Refuse settings that do not fit the warehouse, by `ConfigurationError`.

    Segments are looked up in `sync.segments`, where the warehouse has it. Without that table a
    segment that has no members today cannot be told from one that does not exist.
    """
    segments = None
    if _column_types(connection, "segments"):
        existing = connection.execute(
            "select segment from sync.segments order by segment"
        ).fetchall()
        segments = [segment for (segment,) in existing]
    refuse_unknown(name, settings, properties=property_types(connection), segments=segments)


def refuse_unknown(
    name: str,
    settings: DestinationSettings,
    *,
    properties: Collection[str],
    segments: Collection[str] | None,
) -> None:
    """Refuse settings that name a property or a segment that is none of these.

    None are the segments that nobody knows. Raise `ConfigurationError` with those that there are.
    """
    _refuse_strangers(name, "property", settings.properties or (), properties)
    if segments is not None:
        named = dict.fromkeys(
            [
                *(settings.segments or ()),
                *settings.holdouts,
                *settings.brakes.max_removed_share_by_segment,
            ]
        )
        _refuse_strangers(name, "segment", named, segments)


def refuse_unmailable(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Look at the very rows that are about to go out, once more.

    Raise `SyncError` if any of them tells the destination of somebody who may not be mailed.
    Removals and suppressions are not looked at: they always go out.
    """
    ((suppressed, unknown),) = connection.execute(
        """
        select
            count(*) filter (
                where
                profile_id in (select profile_id from sync.suppressions)
                or email in (select email from sync.suppressions)
            ),
            count(*) filter (where profile_id not in (select profile_id from sync.profiles))
        from planned_changes
        where kind <> 'suppression' and action <> 'remove'
        """
    ).fetchall()
    if suppressed or unknown:
        raise SyncError(
            f"{name}: of the changes to be sent {suppressed:,} are about people in "
            f"sync.suppressions and {unknown:,} about people who are not in sync.profiles; "
            "nothing is delivered"
        )


def property_types(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return what can be told of a profile: the columns of `sync.profiles` with their types."""
    types = _column_types(connection, "profiles")
    return {name: type_ for name, type_ in types.items() if name not in ("profile_id", "email")}


def _refuse_strangers(
    destination: str, what: str, named: Collection[str], existing: Collection[str]
) -> None:
    strangers = [each for each in named if each not in existing]
    if strangers:
        raise ConfigurationError(
            f"destinations.{destination} names the {what} {', '.join(strangers)}, which the "
            f"warehouse does not have; it has: {', '.join(existing)}"
        )


def _column_types(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Return the columns of a table in `sync`, in order; none where there is no such table."""
    return dict(
        connection.execute(
            """
            select column_name, data_type
            from information_schema.columns
            where table_catalog = current_catalog() and table_schema = 'sync' and table_name = ?
            order by ordinal_position
            """,
            [table],
        ).fetchall()
    )
