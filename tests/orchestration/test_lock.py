"""One process at a time writes to a warehouse."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration import lock
from orchestration.database import WarehouseError


def test_the_right_to_write_is_free_again_after_its_block(tmp_path: Path) -> None:
    warehouse = tmp_path / "new" / "warehouse.duckdb"

    with lock.hold(warehouse), lock.hold(warehouse):
        pass
    with lock.hold(warehouse):
        pass

    assert not warehouse.exists()


def test_a_place_that_cannot_be_written_to_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    warehouse = tmp_path / "file" / "warehouse.duckdb"

    with pytest.raises(WarehouseError) as refused, lock.hold(warehouse):
        pass

    assert f"nothing can be written beside the warehouse {warehouse} (" in str(refused.value)
    assert "name another warehouse with --warehouse" in str(refused.value)
