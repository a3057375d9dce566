"""Where things are and which secrets hold: the only module that reads the environment."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
KEY_FILE = DATA / "mailmart.key"


def profile_key() -> str:
    """Return the secret key of the profile ids.

    It comes from `MAILMART_PROFILE_KEY`, else from the key file, which is made on first use and
    must be kept as long as the warehouse: another key would make other ids.
    """
    return os.environ.get("MAILMART_PROFILE_KEY") or _key_from_file(KEY_FILE)


def _key_from_file(path: Path) -> str:
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
    key = path.read_text(encoding="ascii").strip()
    if not key:
        raise ValueError(f"the key file {path} is empty; put the key back or set MAILMART_PROFILE_KEY")
    return key
