"""A warehouse is a file, and what belongs to it lies beside it."""

from __future__ import annotations

from pathlib import Path

from orchestration.database import name_models_folder


def test_no_two_warehouses_share_their_models(tmp_path: Path) -> None:
    names = ("shop.duckdb", "shop.db", "shop", "shop.2026.db", "shop.2025.db")

    folders = [name_models_folder(tmp_path / name) for name in names]

    assert [folder.name for folder in folders] == [f"{name}.models" for name in names]
    assert {folder.parent for folder in folders} == {tmp_path}
