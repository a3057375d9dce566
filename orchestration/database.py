"""The warehouse's file: opened, or refused with the way out."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb


class WarehouseError(RuntimeError):
    """The warehouse cannot be used; the message says why and what to do."""


def name_models_folder(warehouse: Path) -> Path:
    """Return where the models trained on a warehouse are kept, `<warehouse>.models` beside it.

    The whole name counts: shop.duckdb and shop.db are two warehouses, and their models know one.
    """
    return warehouse.with_name(f"{warehouse.name}.models")


def open_warehouse(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a warehouse; raises `WarehouseError` where that cannot be done, with the way out."""
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except duckdb.SerializationException as error:
        raise WarehouseError(
            f"{path} was written by another version of DuckDB; open it with that one and export "
            f"it, or name another file with --warehouse ({_first_line(error)})"
        ) from error
    except duckdb.Error as error:
        if "could not set lock" in str(error).lower():
            reason = "another program has it open; close it first"
        elif "not a valid" in str(error).lower():
            reason = "it is no DuckDB file; name another with --warehouse"
        else:
            reason = f"{_first_line(error)}; mend that, or name another file with --warehouse"
        raise WarehouseError(f"cannot open the warehouse {path}: {reason}") from error
    connection.execute("set TimeZone = 'UTC'")
    # DuckDB 2.0.0 often hangs when a write fails, as on a full disk, while it writes in the
    # background (duckdb/duckdb#23885).
    connection.execute("set async_threads = 0")
    return connection


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
