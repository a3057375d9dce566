"""Real data that lies beside the project: read from there, and copied nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[1] / "../shared/data"


def beside_the_project(name: str) -> Path:
    """Return a folder or file of real data; skip the test, naming it, where it is not there."""
    path = _FOLDER / name
    if not path.exists():
        pytest.skip(f"the real data of {name} is not beside the project")
    return path
