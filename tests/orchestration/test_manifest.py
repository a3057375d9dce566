"""The dbt project is read by one process at a time, and again only where it has changed."""

from __future__ import annotations

import fcntl
import json
import time
from pathlib import Path

from tests.orchestration.checkout import Checkout

READ = "from orchestration.manifest import read_project; print(read_project())"


def test_two_that_read_the_project_at_once_both_find_it_whole(tmp_path: Path) -> None:
    """A torn manifest stopped a run that began while `make ui` did."""
    checkout = Checkout.make(tmp_path)
    readers = [checkout.start("python", "-c", READ) for _ in range(2)]

    manifests = {reader.communicate(timeout=120)[0].strip() for reader in readers}

    assert [reader.returncode for reader in readers] == [0, 0]
    (manifest,) = manifests
    assert "model.mailmart.dim_profiles" in json.loads(Path(manifest).read_text())["nodes"]


def test_a_project_is_read_again_when_it_has_changed_and_only_then(tmp_path: Path) -> None:
    checkout = Checkout.make(tmp_path)

    def read() -> Path:
        ended = checkout.call("python", "-c", READ)
        assert ended.status == 0, ended.err
        return Path(ended.out.strip())

    written = read().stat().st_mtime_ns
    assert read().stat().st_mtime_ns == written

    (tmp_path / "dbt_project" / "models" / "marts" / "one.sql").write_text("select 1 as one\n")

    assert "model.mailmart.one" in json.loads(read().read_text())["nodes"]


READ_AND_TELL = """
from pathlib import Path
from orchestration.manifest import read_project
print("asks", flush=True)
read_project(lambda *told: Path("has_begun").touch())
"""


def test_a_project_is_not_read_while_somebody_else_reads_it(tmp_path: Path) -> None:
    checkout = Checkout.make(tmp_path)
    lock = tmp_path / "target" / "definitions" / "manifest.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        reader = checkout.start("python", "-c", READ_AND_TELL)
        assert reader.stdout is not None
        assert reader.stdout.readline() == "asks\n"
        # Without the lock it would begin within milliseconds.
        time.sleep(1)
        assert not (tmp_path / "has_begun").exists()

    _, err = reader.communicate(timeout=120)
    assert reader.returncode == 0, err
    assert (tmp_path / "has_begun").exists()
