"""A landing folder and a warehouse to load it into."""

import ctypes
import gzip
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.loader import LoadReport, load

LOADED_AT = datetime(2026, 11, 22, 6, 0)  # noqa: DTZ001 - UTC, as the warehouse keeps it


class World:
    """A landing folder that tests write into, and the warehouse that it is loaded into."""

    def __init__(self, folder: Path) -> None:
        self.landing = folder / "landing"
        self.landing.mkdir(parents=True)
        self.warehouse = duckdb.connect()

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.landing / path
        file.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        is_plain = not path.endswith(".gz") or isinstance(content, bytes)
        file.write_bytes(data if is_plain else gzip.compress(data))
        return file

    def write_json(self, path: str, rows: Sequence[Mapping[str, Any]]) -> Path:
        return self.write(path, "".join(json.dumps(row) + "\n" for row in rows))

    def write_parquet(self, path: str, columns: Mapping[str, Any]) -> Path:
        file = self.landing / path
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(dict(columns)), file)
        return file

    def load(self, loaded_at: datetime = LOADED_AT) -> LoadReport:
        return load(self.warehouse, self.landing, loaded_at)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.warehouse.execute(sql).fetchall()

    def column(self, sql: str) -> list[Any]:
        return [row[0] for row in self.rows(sql)]

    def rejected(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "select row_number, reason, raw_text from raw.rejected_rows order by path, row_number"
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.warehouse.close()


@contextmanager
def bound_by_permissions() -> Iterator[None]:
    """Let permissions hold for this thread and those it starts, also if root runs the tests.

    On Linux root passes them by two capabilities, which a thread may lay down for a while.
    """
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("permissions do not bind the administrator of this system")
    libc = ctypes.CDLL(None, use_errno=True)
    version_3 = (ctypes.c_uint32 * 2)(0x20080522, 0)
    # Effective, permitted, inheritable; twice, for 64 capabilities. See capabilities(7).
    sets = (ctypes.c_uint32 * 6)()
    dac_override, dac_read_search = 1 << 1, 1 << 2
    if libc.capget(version_3, sets):
        raise OSError(ctypes.get_errno(), "capget")
    kept = sets[0]
    sets[0] = kept & ~(dac_override | dac_read_search)
    if libc.capset(version_3, sets):
        raise OSError(ctypes.get_errno(), "capset")
    try:
        yield
    finally:
        sets[0] = kept
        libc.capset(version_3, sets)


def consent(**changes: Any) -> dict[str, Any]:
    """Return Ada's consent as a row for a file, with some of it changed."""
    return {
        "email": "ada@example.com",
        "purpose": "profiling",
        "status": "granted",
        "recorded_at": "2024-01-01T10:00:00Z",
        **changes,
    }


CONSENTS_HEADER = "email,purpose,status,recorded_at\n"
ADA = "ada@example.com,profiling,granted,2024-01-01T10:00:00Z\n"
BO = "bo@example.com,profiling,granted,2024-01-02T10:00:00Z\n"
CY = "cy@example.com,profiling,withdrawn,2024-01-03T10:00:00Z\n"
