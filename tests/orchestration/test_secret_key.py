"""One key for the profile ids of a warehouse, for ever."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ingestion.schema import prepare
from orchestration import resources, secret_key
from orchestration.database import WarehouseError


def test_a_key_is_made_once_and_read_by_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "KEY_FILE", tmp_path / "data" / "mailmart.key")
    monkeypatch.delenv("MAILMART_PROFILE_KEY", raising=False)
    assert not secret_key.has_key()

    key = secret_key.read_key()

    assert secret_key.read_key() == key
    assert (tmp_path / "data" / "mailmart.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mailmart.key"]


def test_an_empty_key_file_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "KEY_FILE", tmp_path / "mailmart.key")
    monkeypatch.delenv("MAILMART_PROFILE_KEY", raising=False)
    (tmp_path / "mailmart.key").touch()

    with pytest.raises(WarehouseError, match="is empty; put the key back"):
        secret_key.read_key()


def test_a_warehouse_knows_the_key_of_its_first_run_and_keeps_it_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with duckdb.connect() as connection:
        monkeypatch.setenv("MAILMART_PROFILE_KEY", "the first key")
        assert not secret_key.check_key(connection)
        secret_key.keep_key(connection)
        secret_key.keep_key(connection)
        assert secret_key.check_key(connection)

        kept = connection.execute("select name, value from raw.warehouse_settings").fetchall()
        assert [name for name, _ in kept] == ["profile_key_fingerprint"]
        assert "the first key" not in kept[0][1]

        monkeypatch.setenv("MAILMART_PROFILE_KEY", "another key")
        with pytest.raises(WarehouseError, match="every profile id would change"):
            secret_key.keep_key(connection)


def test_a_lost_key_is_missed_and_not_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "KEY_FILE", tmp_path / "mailmart.key")
    with duckdb.connect() as connection:
        monkeypatch.setenv("MAILMART_PROFILE_KEY", "the first key")
        secret_key.keep_key(connection)

        monkeypatch.delenv("MAILMART_PROFILE_KEY")
        with pytest.raises(WarehouseError, match=r"is missing, .* put it back"):
            secret_key.check_key(connection)

    assert list(tmp_path.iterdir()) == []


def test_the_erased_are_known_by_one_key_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    with duckdb.connect() as connection:
        prepare(connection)
        monkeypatch.setenv("MAILMART_PROFILE_KEY", "a profile key")
        by_the_profile_key = secret_key.keep_erasure_key(connection)
        assert b"a profile key" in by_the_profile_key
        # Nobody was erased yet: any key will do.
        monkeypatch.setenv("MAILMART_ERASURE_KEY", "an erasure key")
        assert secret_key.keep_erasure_key(connection) == b"an erasure key"
        connection.execute("insert into raw.erasures values ('address', 'd', now(), now())")
        assert secret_key.keep_erasure_key(connection) == b"an erasure key"

        monkeypatch.setenv("MAILMART_ERASURE_KEY", "another key")
        with pytest.raises(WarehouseError, match="would bring them back: put the old key back"):
            secret_key.keep_erasure_key(connection)
        monkeypatch.delenv("MAILMART_ERASURE_KEY")
        with pytest.raises(WarehouseError, match="would bring them back"):
            secret_key.keep_erasure_key(connection)
