"""One process at a time writes to a warehouse."""

from __future__ import annotations

from pathlib import Path

from orchestration import lock


def test_the_right_to_write_is_free_again_after_its_block(tmp_path: Path) -> None:
    warehouse = tmp_path / "new" / "warehouse.duckdb"

    with lock.hold(warehouse), lock.hold(warehouse):
        pass
    with lock.hold(warehouse):
        pass

    assert not warehouse.exists()
