"""Instants: a time without a zone is UTC, as everywhere in the warehouse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_utc(instant: datetime) -> datetime:
    """Return the same instant with the zone UTC; one without a zone is taken as UTC."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def to_microseconds(instant: datetime) -> int:
    """Return microseconds since 1970 UTC."""
    return (to_utc(instant) - EPOCH) // timedelta(microseconds=1)


def from_microseconds(microseconds: int) -> datetime:
    """Return the UTC instant of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)
