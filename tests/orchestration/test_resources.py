"""Times as people write them, who may write, and which key holds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from orchestration import resources
from orchestration.resources import WarehouseError


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-03T06:00:00Z", "2026-03-03T06:00:00"),
        ("2026-03-03T06:00:00+02:00", "2026-03-03T04:00:00"),
        ("2026-03-03 06:00", "2026-03-03T06:00:00"),
        ("2026-03-03", "2026-03-03T00:00:00"),
        (" 2026-03-03T06:00:00.000001Z ", "2026-03-03T06:00:00.000001"),
    ],
)
def test_an_instant_is_utc_unless_it_says_otherwise(text: str, instant: str) -> None:
    assert resources.parse_instant(text) == datetime.fromisoformat(instant)


@pytest.mark.parametrize(
    "text",
    ["", "noon", "2026-13-01", "1772517600", "0001-01-01T00:00:00+01:00", "9999-12-31T23:00-05:00"],
)
def test_what_is_no_instant_is_told_how_to_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; write it as ISO 8601, for example 2026-"):
        resources.parse_instant(text)


def test_no_two_warehouses_share_their_models(tmp_path: Path) -> None:
    names = ("shop.duckdb", "shop.db", "shop", "shop.2026.db", "shop.2025.db")

    folders = [resources.models_folder(tmp_path / name) for name in names]

    assert [folder.name for folder in folders] == [f"{name}.models" for name in names]
    assert {folder.parent for folder in folders} == {tmp_path}


def test_the_right_to_write_is_free_again_after_its_block(tmp_path: Path) -> None:
    warehouse = tmp_path / "new" / "warehouse.duckdb"

    with resources.writing(warehouse), resources.writing(warehouse):
        pass
    with resources.writing(warehouse):
        pass

    assert not warehouse.exists()


def test_a_key_is_made_once_and_read_by_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "KEY_FILE", tmp_path / "data" / "mailmart.key")
    monkeypatch.delenv("MAILMART_PROFILE_KEY", raising=False)
    assert not resources.has_profile_key()

    key = resources.profile_key()

    assert resources.profile_key() == key
    assert (tmp_path / "data" / "mailmart.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mailmart.key"]


def test_an_empty_key_file_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "KEY_FILE", tmp_path / "mailmart.key")
    monkeypatch.delenv("MAILMART_PROFILE_KEY", raising=False)
    (tmp_path / "mailmart.key").touch()

    with pytest.raises(WarehouseError, match="is empty; put the key back"):
        resources.profile_key()


def test_a_warehouse_knows_the_key_of_its_first_run_and_keeps_it_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with duckdb.connect() as connection:
        monkeypatch.setenv("MAILMART_PROFILE_KEY", "the first key")
        assert not resources.check_profile_key(connection)
        resources.keep_profile_key(connection)
        resources.keep_profile_key(connection)
        assert resources.check_profile_key(connection)

        kept = connection.execute("select name, value from raw.warehouse_settings").fetchall()
        assert [name for name, _ in kept] == ["profile_key_fingerprint"]
        assert "the first key" not in kept[0][1]

        monkeypatch.setenv("MAILMART_PROFILE_KEY", "another key")
        with pytest.raises(WarehouseError, match="every profile id would change"):
            resources.keep_profile_key(connection)


def test_a_lost_key_is_missed_and_not_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "KEY_FILE", tmp_path / "mailmart.key")
    with duckdb.connect() as connection:
        monkeypatch.setenv("MAILMART_PROFILE_KEY", "the first key")
        resources.keep_profile_key(connection)

        monkeypatch.delenv("MAILMART_PROFILE_KEY")
        with pytest.raises(WarehouseError, match="put the old key back"):
            resources.check_profile_key(connection)

    assert list(tmp_path.iterdir()) == []
