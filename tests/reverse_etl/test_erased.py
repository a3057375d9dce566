"""Who was erased is removed by id alone, and then nothing on this side names them any more."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection
from pathlib import Path

import pytest

from reverse_etl import ledger
from reverse_etl.destinations.file import FileDestination
from reverse_etl.shipment import DestinationError
from tests.reverse_etl.service import Killed, Service
from tests.reverse_etl.shop import MONDAY, Shop, configured, manifest, read


def erase(shop: Shop, profile_id: str) -> None:
    """Do what a run does with the ledger before it builds, and what the build comes to."""
    ledger.prepare(shop.connection)
    shop.connection.execute(
        "create or replace temp table erased_profiles as select ? as profile_id", [profile_id]
    )
    ledger.note_erased(shop.connection, shop.now.replace(tzinfo=None))
    shop.forgets(profile_id)
    shop.lifts(profile_id)


def find_on_record(shop: Shop, word: str) -> list[str]:
    """Return the tables of the ledger in whose rows a word stands."""
    tables = shop.asks(
        "select table_name from duckdb_tables() where schema_name = 'reverse_etl' order by all"
    )
    return [
        table
        for (table,) in tables
        if shop.asks(f"from reverse_etl.{table} as row where contains(row::varchar, '{word}')")
    ]


def who_is_in(folder: Path) -> list[tuple[str, str, str]]:
    return [
        (row["action"], row["profile_id"], row["email"])
        for name in ("profiles.csv", "segment_members.csv", "suppressions.csv")
        for row in read(folder, name)
    ]


def assert_manifest_fits(folder: Path, erased_rows: int) -> None:
    described = manifest(folder)
    assert described["erased_rows"] == erased_rows
    assert "erasing" not in described
    for name, file in described["files"].items():
        content = (folder / name).read_bytes()
        assert (file["rows"], file["bytes"]) == (len(read(folder, name)), len(content))
        assert file["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.fixture
def told(shop: Shop) -> Shop:
    """Ada and Bo are told of on Monday, Ada's new name on Tuesday; on Wednesday she is erased."""
    for name in ("ada", "bo"):
        shop.wants(name)
        shop.wants_in("win_back", name)
    shop.delivers()
    shop.tomorrow()
    shop.wants("ada", first_name="Augusta")
    shop.wants_in("win_back", "ada")
    shop.delivers()
    shop.tomorrow()
    erase(shop, "ada")
    return shop


def test_every_folder_forgets_and_the_removal_is_by_id(told: Shop) -> None:
    assert told.delivers().delivered == 2

    monday, tuesday, wednesday = told.folders()
    assert who_is_in(monday) == [
        ("add", "bo", "bo@example.com"),
        ("add", "bo", "bo@example.com"),
    ]
    assert who_is_in(tuesday) == []
    assert who_is_in(wednesday) == [("remove", "ada", ""), ("remove", "ada", "")]
    assert_manifest_fits(monday, 2)
    assert_manifest_fits(tuesday, 1)
    assert "erased_rows" not in manifest(wednesday)
    assert find_on_record(told, "ada") == []


def test_what_is_off_the_record_counts_as_no_loss(shop: Shop) -> None:
    """With the one person all receipts go, of which the runs still count two."""
    shop.wants("ada")
    shop.delivers()
    erase(shop, "ada")
    assert shop.delivers().delivered == 1
    assert find_on_record(shop, "ada") == []
    assert shop.delivers().status == "nothing_to_do"


def test_an_address_stays_until_the_removal_is_delivered(told: Shop) -> None:
    outbox = told.outbox.rename(told.outbox.with_name("elsewhere"))
    told.outbox.write_text("a file where the folder should be")

    assert told.delivers().status == "failed"

    assert find_on_record(told, "ada") != []
    told.outbox.unlink()
    outbox.rename(told.outbox)
    assert told.delivers().delivered == 2
    assert find_on_record(told, "ada") == []


def die_before_the_first_file(what: str, done: int, total: int) -> None:
    if "writing profiles.csv" in what:
        raise Killed


def test_who_may_have_been_told_of_is_removed_before_the_ledger_forgets(shop: Shop) -> None:
    """Nothing of Ada was ever acknowledged: the run that told of her died."""
    shop.wants("ada")
    with pytest.raises(Killed):
        shop.delivers(report=die_before_the_first_file)
    erase(shop, "ada")
    shop.outbox.rmdir()
    shop.outbox.write_text("a file where the folder should be")
    assert shop.delivers().status == "failed"
    shop.outbox.unlink()

    assert shop.delivers().delivered == 1

    (folder,) = shop.folders()
    assert who_is_in(folder) == [("remove", "ada", "")]
    assert find_on_record(shop, "ada") == []


def test_a_brake_and_an_earlier_as_of_leave_the_removal_to_be_delivered(told: Shop) -> None:
    told.destinations = configured(brakes={"min_removed": 0, "max_removed_share": 0.1})
    assert told.delivers().status == "braked"
    assert told.delivers(as_of=MONDAY).status == "out_of_date"
    assert find_on_record(told, "ada") != []

    told.destinations = configured()
    assert told.delivers().delivered == 2
    assert find_on_record(told, "ada") == []


class Fragile(Service):
    """A service on whose side the process dies as soon as something is to be forgotten."""

    def forget(self, profile_ids: Collection[str]) -> None:
        raise Killed


def test_a_kill_while_deliveries_forget_leaves_it_to_the_next_run(shop: Shop) -> None:
    """A rehearsal in between forgets nobody."""
    shop.wants("ada")
    fragile = Fragile()
    shop.delivers(opener=fragile.open)
    erase(shop, "ada")
    with pytest.raises(Killed):
        shop.delivers(opener=fragile.open)
    service = Service()

    shop.delivers(opener=service.open, dry_run=True)
    assert service.forgotten == set()
    shop.delivers(opener=service.open)

    assert service.forgotten == {"ada"}
    assert find_on_record(shop, "ada") == []


def test_whom_the_ledger_does_not_know_it_does_not_learn_of(shop: Shop) -> None:
    erase(shop, "ada")
    assert find_on_record(shop, "ada") == []


def test_an_erasing_that_broke_off_is_ended(told: Shop) -> None:
    """The rows are out of the files, the manifest still counts and hashes what was there."""
    monday, *_ = told.folders()
    before = manifest(monday)
    told.delivers()
    (monday / "manifest.json").write_text(json.dumps({**before, "erasing": True}))

    FileDestination(told.outbox).forget({"ada"})

    assert_manifest_fits(monday, 0)
    assert who_is_in(monday) == [("add", "bo", "bo@example.com")] * 2


def test_a_folder_that_somebody_has_begun_to_take_apart_forgets_what_is_left(told: Shop) -> None:
    monday, tuesday = told.folders()
    (monday / "manifest.json").unlink()
    (monday / "segment_members.csv").unlink()
    (tuesday / "profiles.csv").unlink()

    assert told.delivers().delivered == 2

    assert sorted(path.name for path in monday.iterdir()) == ["profiles.csv", "suppressions.csv"]
    assert [row["profile_id"] for row in read(monday, "profiles.csv")] == ["bo"]


@pytest.mark.parametrize(
    "content",
    [
        b'action,profile_id,email;note\nadd,ada,ada@example.com\na "b, c\n',
        b"profile_id;email\r\nada;ada@example.com\r\n",
        b"\xff\xfea\x00d\x00a\x00",
    ],
    ids=["a lone quote", "another delimiter", "UTF-16"],
)
def test_a_file_that_somebody_changed_is_named_and_the_other_folders_forget(
    told: Shop, content: bytes
) -> None:
    monday, tuesday = told.folders()
    (monday / "profiles.csv").write_bytes(content)

    with pytest.raises(DestinationError) as raised:
        told.delivers()

    assert str(raised.value).startswith(
        f"people who were erased could not be taken out of {monday} ("
    )
    assert str(raised.value).endswith("or delete the folder, and run again")
    assert "\n" not in str(raised.value)
    assert who_is_in(tuesday) == []
    # The removal is delivered; what is on record here waits for the folder.
    assert find_on_record(told, "ada") != []
    shutil.rmtree(monday)
    # Whoever deletes a folder has taken it: that is no loss.
    assert told.delivers().status == "nothing_to_do"
    assert find_on_record(told, "ada") == []


def test_what_is_no_delivery_stays_as_it_is(told: Shop) -> None:
    mine = told.outbox / "mine" / "profiles.csv"
    mine.parent.mkdir()
    mine.write_text("action,profile_id,email\r\nadd,ada,ada@example.com\r\n")
    before = mine.read_bytes()
    told.delivers()
    assert mine.read_bytes() == before
