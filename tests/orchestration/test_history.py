"""Dagster's history of runs: its files are written to without waiting for the disk each time."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from sqlalchemy.pool import NullPool

from orchestration.history import keep_files_open


def write(file: Path, statement: str) -> None:
    """Write into a file as Dagster does: with a connection for one statement."""
    engine = sqlalchemy.create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("pragma journal_mode = wal"))
        connection.execute(sqlalchemy.text(statement))


def test_a_file_stays_open_between_events_and_is_whole_at_the_end(tmp_path: Path) -> None:
    file, journal = tmp_path / "events.db", tmp_path / "events.db-wal"

    with keep_files_open():
        write(file, "create table events (name text)")
        write(file, "insert into events values ('started')")
        # SQLite removes it where the last connection to the file closes.
        assert journal.exists()

    assert not journal.exists()
    write(file, "insert into events values ('ended')")
    assert not journal.exists()
    with sqlalchemy.create_engine(f"sqlite:///{file}").begin() as connection:
        rows = connection.execute(sqlalchemy.text("select name from events")).fetchall()
    assert [name for (name,) in rows] == ["started", "ended"]


def test_a_database_in_memory_is_left_alone() -> None:
    with keep_files_open(), sqlalchemy.create_engine("sqlite://").begin() as connection:
        assert connection.execute(sqlalchemy.text("select 1")).scalar() == 1
