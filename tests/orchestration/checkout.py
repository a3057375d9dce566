"""A checkout of its own to run the command line in, as a person would, and what came of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest

from tests.orchestration import warm

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent

PARTS = (
    *("dbt_project", "expectations", "ingestion", "ml", "orchestration", "reverse_etl"),
    *("reports", "simulation", "dbt_project.yml", "profiles.yml", "destinations.yml"),
)


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line that the person saw."""
        return (self.err or self.out).rstrip("\n").rpartition("\n")[2]


@dataclass(frozen=True)
class Checkout:
    """The project in a folder of its own: its settings, logs, key and Dagster are nobody else's."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Checkout:
        """Copy what a checkout has, as it is at this moment."""
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, root / part)
            else:
                shutil.copy2(ROOT / part, root / part)
        return cls(root)

    def copied(self, root: Path) -> Checkout:
        """Return a copy whose settings may be changed; its key and what dbt has read come along."""
        for part in (*PARTS, "target"):
            if (self.root / part).is_dir():
                shutil.copytree(self.root / part, root / part)
            else:
                shutil.copy2(self.root / part, root / part)
        (root / "data").mkdir()
        shutil.copy2(self.root / "data" / "mailmart.key", root / "data")
        return Checkout(root)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of somebody who has set nothing."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAILMART_", "DAGSTER_", "DBT_"))
        }
        # Found before the modules of the checkout that the tests are of.
        return kept | {"PYTHONPATH": str(self.root), "COLUMNS": "200"}

    def start(
        self, *command: str | Path, cwd: Path | None = None, **settings: str
    ) -> subprocess.Popen[str]:
        """Start a program of the environment in a process group of its own."""
        program, *arguments = map(str, command)
        return subprocess.Popen(
            [str(PROGRAMS / program), *arguments],
            cwd=cwd or self.root,
            env=self.environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def call(self, *command: str | Path, cwd: Path | None = None, **settings: str) -> Ended:
        """Run a program of the environment to its end, with its libraries warm where it has any."""
        program, *arguments = map(str, command)
        if program not in warm.PROGRAMS:
            process = self.start(*command, cwd=cwd, **settings)
            out, err = process.communicate(timeout=500)
            return Ended(process.returncode, out, err)
        environment = self.environment | settings
        return Ended(*warm.run(program, arguments, cwd or self.root, environment, 500))

    def mailmart(self, *arguments: str | Path, cwd: Path | None = None, **settings: str) -> Ended:
        """Run the command line to its end."""
        return self.call("mailmart", *arguments, cwd=cwd, **settings)


@dataclass(frozen=True)
class Place:
    """A landing folder, a warehouse and an outbox, and the checkout whose commands see to them."""

    checkout: Checkout
    folder: Path

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    def copied(self, folder: Path) -> Place:
        """Return a copy that may be changed."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return replace(self, folder=folder)

    def run_arguments(self, as_of: str) -> list[str | Path]:
        """Return the arguments of the main job of this place."""
        return [
            *("run", "--landing", self.landing, "--warehouse", self.warehouse),
            *("--outbox", self.outbox, "--as-of", as_of),
        ]

    def run(self, as_of: str) -> Ended:
        """Do the main job."""
        return self.checkout.mailmart(*self.run_arguments(as_of))

    def time_run(self, as_of: str) -> float:
        """Do the main job as a shell does it, and return the seconds that it took."""
        began = time.monotonic()
        process = self.checkout.start("mailmart", *self.run_arguments(as_of))
        _, err = process.communicate(timeout=500)
        assert process.returncode == 0, err
        return time.monotonic() - began

    def sync(self, *arguments: str | Path) -> Ended:
        """Do the delivery alone."""
        return self.checkout.mailmart(
            "sync", "--warehouse", self.warehouse, "--outbox", self.outbox, *arguments
        )

    def put(self, path: str, *lines: str) -> Path:
        """Write a text file into the landing folder."""
        file = self.landing / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return file

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return what a query finds in the warehouse."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def change(self, *statements: str) -> None:
        """Change the warehouse as another program would."""
        with duckdb.connect(str(self.warehouse)) as connection:
            for statement in statements:
                connection.execute(statement)

    def deliveries(self) -> list[str]:
        """Return the folders in the outbox."""
        return sorted(path.name for path in self.outbox.iterdir()) if self.outbox.exists() else []


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a disk of this size on a folder for a while; skip the test where that is forbidden."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("only the administrator of a Linux machine may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
