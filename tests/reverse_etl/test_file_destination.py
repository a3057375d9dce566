"""A folder in the outbox: whole or not there, and safe to open."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from reverse_etl.configuration import read_destinations
from tests.real_data import beside_the_project
from tests.reverse_etl.service import Killed
from tests.reverse_etl.shop import Shop, configured, manifest, read, told

ROOT = Path(__file__).resolve().parents[2]


def test_the_files_are_these_bytes(shop: Shop) -> None:
    shop.destinations = configured(properties={"first_name": None, "last_order_at": None})
    shop.wants("ada", first_name='Ada "A", née\r\nByron', last_order_at="2026-01-01 12:00:00.5")
    shop.wants("bo", first_name=None)
    shop.wants_in("win_back", "bo", "")
    shop.delivers()
    (folder,) = shop.folders()
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "profiles.csv",
        "segment_members.csv",
        "suppressions.csv",
    ]
    assert (folder / "profiles.csv").read_bytes().decode() == (
        "action,profile_id,email,first_name,last_order_at\r\n"
        'add,ada,ada@example.com,"Ada ""A"", née\r\nByron",2026-01-01T12:00:00.500000Z\r\n'
        "add,bo,bo@example.com,,\r\n"
    )
    assert (folder / "segment_members.csv").read_bytes() == (
        b'action,profile_id,email,segment,attribute\r\nadd,bo,bo@example.com,win_back,""\r\n'
    )
    assert (folder / "suppressions.csv").read_bytes() == b"action,profile_id,email,reason\r\n"


def test_the_manifest_counts_and_hashes_what_is_beside_it(shop: Shop) -> None:
    for name in ("ada", "bo"):
        shop.wants(name)
    shop.wants_in("win_back", "ada")
    outcome = shop.delivers()
    (folder,) = shop.folders()
    described = manifest(folder)
    assert outcome.plan is not None
    assert outcome.place == str(folder)
    assert (described["destination"], described["run_id"], described["delivery_number"]) == (
        "file",
        "run-1",
        1,
    )
    assert described["as_of"] == "2026-03-02T00:00:00Z"
    assert described["plan_id"] == outcome.plan.plan_id
    assert described["files"]["profiles.csv"]["rows"] == 2
    assert described["files"]["profiles.csv"]["actions"] == {"add": 2}
    assert described["files"]["segment_members.csv"]["segments"] == {"win_back": {"add": 1}}
    for name, file in described["files"].items():
        content = (folder / name).read_bytes()
        assert file["bytes"] == len(content)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()


def test_folders_sort_in_the_order_in_which_they_are_applied(shop: Shop) -> None:
    for number in range(12):
        shop.wants("ada", first_name=str(number))
        shop.delivers()
    assert [read(folder, "profiles.csv")[0]["first_name"] for folder in shop.folders()] == [
        str(number) for number in range(12)
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "＝1", "＠x", "'=1"])
def test_a_text_that_a_spreadsheet_would_execute_is_neutralised(shop: Shop, text: str) -> None:
    shop.wants("ada", first_name=text)
    shop.delivers()
    (folder,) = shop.folders()
    (row,) = read(folder, "profiles.csv")
    assert row["first_name"] == f"'{text}"
    assert manifest(folder)["neutralised_cells"] == 1


def test_an_address_and_an_attribute_are_texts_too(shop: Shop) -> None:
    shop.wants("ada", '=cmd|"/c"@example.com')
    shop.wants_in("win_back", "ada", "-20 %")
    shop.delivers()
    (folder,) = shop.folders()
    (profile,) = read(folder, "profiles.csv")
    (member,) = read(folder, "segment_members.csv")
    assert profile["email"] == member["email"] == '\'=cmd|"/c"@example.com'
    assert member["attribute"] == "'-20 %"
    assert manifest(folder)["neutralised_cells"] == 3


def test_numbers_times_and_harmless_apostrophes_stay_as_they_are(shop: Shop) -> None:
    shop.wants("ada", first_name="'t Hart", lifetime_revenue="-12.50", engagement_score=-1)
    shop.delivers()
    (folder,) = shop.folders()
    (row,) = read(folder, "profiles.csv")
    assert (row["first_name"], row["lifetime_revenue"], row["engagement_score"]) == (
        "'t Hart",
        "-12.50",
        "-1",
    )
    assert manifest(folder)["neutralised_cells"] == 0


def test_naughty_names_come_back_as_they_were(shop: Shop) -> None:
    strings = beside_the_project("naughty-strings/blns.txt").read_text("utf-8")
    names = [line for line in strings.split("\n") if line and line[0] != "#"]
    rows = [[f"{number:04}", f"{number}@example.com", name] for number, name in enumerate(names)]
    shop.connection.executemany(
        "insert into sync.profiles (profile_id, email, first_name) values (?, ?, ?)", rows
    )
    shop.delivers()
    written = [row["first_name"] for row in read(shop.folders()[0], "profiles.csv")]
    executed = tuple("=+-@\t\r\n＝＋－＠")
    restored = [
        text[1:] if text[:1] == "'" and text.lstrip("'").startswith(executed) else text
        for text in written
    ]
    assert restored == names
    assert not [text for text in written if text.startswith(executed)]


def test_an_outbox_that_cannot_be_written_is_said_and_nothing_is_lost(shop: Shop) -> None:
    shop.outbox.write_text("a file where the folder should be")
    shop.wants("ada")
    outcome = shop.delivers()
    assert outcome.status == "failed"
    assert "nothing was written to" in outcome.sentence
    assert shop.asks("from reverse_etl.acknowledged_profiles") == []
    assert shop.asks("from reverse_etl.receipts") == []
    shop.outbox.unlink()
    assert shop.delivers().delivered == 1
    assert told(shop.folders()[0], "profiles.csv")[0][:2] == ("add", "ada")


DISK_FULL = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
import duckdb
from reverse_etl.delivery import deliver
from tests.reverse_etl.shop import configured

folder = Path(sys.argv[1])
connection = duckdb.connect(str(folder / "warehouse.duckdb"))
resource.setrlimit(resource.RLIMIT_FSIZE, (8_000_000, 8_000_000))
now = datetime(2026, 3, 2, tzinfo=UTC)
(outcome,) = deliver(
    connection, configured(), as_of=now, at=now, run_id="full", outbox=folder / "outbox"
)
print(outcome.status, outcome.sentence)
"""


def test_a_disk_that_is_full_leaves_neither_a_folder_nor_a_word_in_the_ledger(
    shop: Shop, tmp_path: Path
) -> None:
    # A limit on the size of a file stands in for the disk: 20 MB of names do not fit into 8 MB,
    # the warehouse, which stores the one long name once, does.
    shop.connection.execute(
        """
        insert into sync.profiles (profile_id, email, first_name)
        select 'p' || number, number || '@example.com', repeat('x', 10000)
        from range(2000) as numbers(number)
        """
    )
    shop.connection.close()
    ended = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.startswith("failed file: ")
    assert "nothing was written to" in ended.stdout
    assert list((tmp_path / "outbox").iterdir()) == []
    shop.connection = duckdb.connect(str(tmp_path / "warehouse.duckdb"))
    assert shop.asks("from reverse_etl.acknowledged_profiles") == []
    assert shop.delivers().delivered == 2000


def test_a_warehouse_that_is_built_anew_finds_its_first_folder_again(
    shop: Shop, tmp_path: Path
) -> None:
    shop.wants("ada")
    shop.delivers()
    anew = Shop(tmp_path, ":memory:")
    anew.wants("ada")
    assert anew.delivers().status == "delivered"
    assert len(anew.folders()) == 1


def test_a_folder_that_was_tampered_with_is_left_and_the_delivery_gets_another(
    shop: Shop, tmp_path: Path
) -> None:
    shop.wants("ada")
    shop.delivers()
    (shop.folders()[0] / "profiles.csv").write_text("action,profile_id,email\r\n")
    anew = Shop(tmp_path, ":memory:")
    anew.wants("ada")
    outcome = anew.delivers()
    tampered, written = anew.folders()
    assert (outcome.status, outcome.place) == ("delivered", str(written))
    assert read(tampered, "profiles.csv") == []
    assert told(written, "profiles.csv")[0][:2] == ("add", "ada")


def die_once_written(what: str, done: int, total: int) -> None:
    """End the run between the rename and the acknowledgement."""
    if "wrote" in what:
        raise Killed


def test_a_folder_of_which_somebody_took_a_file_before_the_run_died_is_written_again_beside_it(
    shop: Shop,
) -> None:
    shop.wants("ada")
    for taken in ("profiles.csv", "manifest.json"):
        with pytest.raises(Killed):
            shop.delivers(report=die_once_written)
        (shop.folders()[-1] / taken).unlink()
    left = {path: path.read_bytes() for folder in shop.folders() for path in folder.iterdir()}

    outcome = shop.delivers()

    assert outcome.status == "delivered"
    first, second, third = shop.folders()
    assert (second.name, third.name) == (f"{first.name}-02", f"{first.name}-03")
    assert outcome.place == str(third)
    assert told(third, "profiles.csv")[0][:2] == ("add", "ada")
    assert {path: path.read_bytes() for path in left} == left
    shop.wants("ada", first_name="Augusta")
    shop.delivers()
    assert read(shop.folders()[-1], "profiles.csv")[0]["first_name"] == "Augusta"


def test_a_whole_folder_beside_one_that_was_taken_apart_is_the_delivery(shop: Shop) -> None:
    shop.wants("ada")
    with pytest.raises(Killed):
        shop.delivers(report=die_once_written)
    (shop.folders()[0] / "profiles.csv").unlink()
    with pytest.raises(Killed):
        shop.delivers(report=die_once_written)
    assert shop.delivers().status == "nothing_to_do"
    assert len(shop.folders()) == 2


def test_the_destination_that_is_shipped_works_as_it_stands(shop: Shop) -> None:
    shop.destinations = read_destinations(ROOT / "destinations.yml")
    shop.wants("ada")
    assert shop.delivers().status == "delivered"
