from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import duckdb
import pytest

from expectations.settings import DEFAULT_FILE, DoorSettings, read_settings
from tests.expectations import world


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse in which Ada opened something on Monday, loaded and built on Tuesday."""
    with duckdb.connect() as connection:
        world.fill(connection)
        yield connection


@pytest.fixture
def settings() -> DoorSettings:
    """The thresholds as they are shipped."""
    return read_settings()


class WriteSettings(Protocol):
    """Write the shipped file with one text replaced, and return its path."""

    def __call__(self, old: str = "", new: str = "") -> Path: ...


@pytest.fixture
def doors_file(tmp_path: Path) -> WriteSettings:
    def write(old: str = "", new: str = "") -> Path:
        text = DEFAULT_FILE.read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "doors.yml"
        path.write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")
        return path

    return write
