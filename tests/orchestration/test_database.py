"""A warehouse is a file, and what belongs to it lies beside it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from orchestration.assets.scores import stream
from orchestration.database import name_models_folder, open_warehouse


def test_no_two_warehouses_share_their_models(tmp_path: Path) -> None:
    names = ("shop.duckdb", "shop.db", "shop", "shop.2026.db", "shop.2025.db")

    folders = [name_models_folder(tmp_path / name) for name in names]

    assert [folder.name for folder in folders] == [f"{name}.models" for name in names]
    assert {folder.parent for folder in folders} == {tmp_path}


# DuckDB waits where no signal reaches Python: only a thread can end that, and say where it was.
@pytest.mark.timeout(60, method="thread")
def test_an_error_in_the_middle_of_a_result_leaves_the_file_free(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    with closing(open_warehouse(file)) as connection:
        connection.execute("create table many as select range as number from range(2000000)")

    def read_half() -> None:
        with (
            closing(open_warehouse(file)) as connection,
            stream(connection, "select * from many") as rows,
        ):
            rows.read_next_batch()
            raise ValueError("no feature")

    with pytest.raises(ValueError, match="no feature") as kept:
        read_half()

    # The error is still at hand, and with it whoever was reading: DuckDB once waited here for ever.
    assert kept.value
    with closing(open_warehouse(file)) as connection:
        assert connection.execute("select count(*) from many").fetchall() == [(2_000_000,)]
