"""One warehouse built by the real command line; tests copy it into the state that they need."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.orchestration import shop
from tests.orchestration.checkout import Checkout, Ended, Place


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout that no other process knows."""
    return Checkout.make(tmp_path_factory.mktemp("checkout"))


@dataclass(frozen=True)
class FirstRun:
    """The first run of the shop, and another one that was started while it was going."""

    place: Place
    ended: Ended
    intruder: Ended
    process: int

    @property
    def report(self) -> Path:
        """The page that it says it wrote; later runs in this checkout write pages beside it."""
        (line,) = (one for one in self.ended.out.splitlines() if one.startswith("The report is"))
        return Path(line.removeprefix("The report is "))


@pytest.fixture(scope="session")
def first_run(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    """What came of the first run; its place is only looked at."""
    place = Place(checkout, tmp_path_factory.mktemp("shop"))
    shop.fill(place)
    process = checkout.start("mailmart", *place.run_arguments(shop.TUESDAY))
    assert process.stderr is not None
    err = ""
    for line in process.stderr:
        err += line
        if line.startswith("loading files"):
            break
    intruder = place.run(shop.TUESDAY)
    out, rest = process.communicate(timeout=500)
    return FirstRun(place, Ended(process.returncode, out, err + rest), intruder, process.pid)


@pytest.fixture
def empty(checkout: Checkout, tmp_path: Path) -> Place:
    """A place where nothing has happened yet."""
    return Place(checkout, tmp_path)


@pytest.fixture
def built(first_run: FirstRun, tmp_path: Path) -> Place:
    """A copy of the shop after its first run."""
    assert first_run.ended.status == 0, first_run.ended.err
    return first_run.place.copied(tmp_path)
