"""The secret keys of profile ids and of erasures, and which warehouse was built with which."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

import duckdb

from orchestration import resources
from orchestration.database import WarehouseError

# Made when a warehouse is first written to. The fingerprint tells keys apart and gives none away.
_WAREHOUSE_SETTINGS = """
create schema if not exists raw;
create table if not exists raw.warehouse_settings (name varchar primary key, value varchar not null)
"""
_KEY_FINGERPRINT = "profile_key_fingerprint"
_ERASURE_FINGERPRINT = "erasure_key_fingerprint"


def read_key() -> str:
    """Return the secret key of the profile ids.

    It comes from `MAILMART_PROFILE_KEY`, else from the key file, which is made on first use and
    must be kept as long as the warehouse: another key would make other ids.
    """
    return resources.read_profile_key() or _read_or_make(resources.KEY_FILE)


def has_key() -> bool:
    """Tell whether there is a key, without making one."""
    return resources.read_profile_key() is not None or resources.KEY_FILE.exists()


def _read_or_make(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
        try:
            # A link fails where the name is taken: of two first runs only one makes the key.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    try:
        key = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise WarehouseError(
            f"the key file {path} holds no text; put the key back or set MAILMART_PROFILE_KEY"
        ) from None
    if not key:
        raise WarehouseError(
            f"the key file {path} is empty; put the key back or set MAILMART_PROFILE_KEY"
        )
    return key


def check_key(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether a warehouse was built with this profile key, False where with none yet.

    Raises `WarehouseError` where it was built with another: every id would change, and everybody
    would be sent as new.
    """
    is_there = connection.execute(
        "select 1 from information_schema.tables"
        " where table_schema = 'raw' and table_name = 'warehouse_settings'"
    ).fetchone()
    kept = (
        is_there
        and connection.execute(
            "select value from raw.warehouse_settings where name = ?", [_KEY_FINGERPRINT]
        ).fetchone()
    )
    if not kept:
        return False
    # Asked first: looking must not make a key.
    if not has_key():
        raise WarehouseError(
            "the profile key that this warehouse was built with is missing, and with a new one "
            f"every profile id would change: put it back ({resources.KEY_FILE}, or "
            "MAILMART_PROFILE_KEY), or name a new warehouse with --warehouse"
        )
    if _take_fingerprint(read_key()) == kept[0]:
        return True
    raise WarehouseError(
        "the profile key is not the one that this warehouse was built with, and every profile id "
        f"would change: put the old key back (MAILMART_PROFILE_KEY, else {resources.KEY_FILE}), or "
        "name a new warehouse with --warehouse"
    )


def keep_key(connection: duckdb.DuckDBPyConnection) -> None:
    """Hold a warehouse to the profile key of its first run.

    Raises `WarehouseError` where this is another key.
    """
    if not check_key(connection):
        connection.execute(_WAREHOUSE_SETTINGS)
        connection.execute(
            "insert into raw.warehouse_settings values (?, ?)",
            [_KEY_FINGERPRINT, _take_fingerprint(read_key())],
        )


def keep_erasure_key(connection: duckdb.DuckDBPyConnection) -> bytes:
    """Return the secret key of the HMACs by which the erased are known again.

    It comes from `MAILMART_ERASURE_KEY`, else it is made of the key of the profile ids. The raw
    schema is prepared. Raises `WarehouseError` where somebody was erased under another: under this
    one the person is unknown, and a file that is loaded again would bring them back.
    """
    key = resources.read_erasure_key() or f"erasure\n{read_key()}"
    fingerprint = _take_fingerprint(key, "mailmart erasure key")
    connection.execute(_WAREHOUSE_SETTINGS)
    kept = connection.execute(
        "select value from raw.warehouse_settings where name = ?", [_ERASURE_FINGERPRINT]
    ).fetchone()
    is_used = connection.execute("select 1 from raw.erasures limit 1").fetchone() is not None
    if kept is not None and kept[0] != fingerprint and is_used:
        raise WarehouseError(
            "the erasure key is not the one that this warehouse knows the erased by, and a file "
            "that is loaded again would bring them back: put the old key back "
            f"(MAILMART_ERASURE_KEY, else {resources.KEY_FILE})"
        )
    connection.execute(
        "insert or replace into raw.warehouse_settings values (?, ?)",
        [_ERASURE_FINGERPRINT, fingerprint],
    )
    return key.encode()


def _take_fingerprint(key: str, purpose: str = "mailmart profile key") -> str:
    return hashlib.sha256(f"{purpose}\n{key}".encode()).hexdigest()
