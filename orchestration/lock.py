"""Who may write to a warehouse: one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from orchestration.database import WarehouseError

# The warehouses that this process has the right to write to.
_held: set[Path] = set()


@contextmanager
def hold(warehouse: Path) -> Iterator[None]:
    """Hold the one right to write to a warehouse; the operating system frees it if we die.

    Within it this process may ask again. Raises `WarehouseError` where another process holds it,
    with its number.
    """
    if warehouse in _held:
        yield
        return
    try:
        warehouse.parent.mkdir(parents=True, exist_ok=True)
        opened = warehouse.with_name(warehouse.name + ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise WarehouseError(
            f"nothing can be written beside the warehouse {warehouse} ({error.strerror}); make its "
            "folder writable, or name another warehouse with --warehouse"
        ) from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = json.loads(lock.read() or "{}")
            raise WarehouseError(
                f"another run (process {holder.get('process', 'unknown')}, since "
                f"{holder.get('since', 'unknown')}) is writing to {warehouse}; wait until it is "
                "done, or name another warehouse with --warehouse"
            ) from None
        lock.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        lock.write(json.dumps({"process": os.getpid(), "since": since}))
        lock.flush()
        _held.add(warehouse)
        try:
            yield
        finally:
            _held.discard(warehouse)
