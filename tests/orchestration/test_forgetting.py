"""Who asks to be forgotten is in no table, file or log one run later, and does not come back."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from ingestion.schema import prepare
from orchestration.forgetting import (
    file_request,
    forget,
    needs_rewrite,
    rewriting_what_is_forgotten,
)
from orchestration.publication import name_publication, publish
from orchestration.warehouse import Warehouse
from reverse_etl import ledger
from tests.orchestration import shop
from tests.orchestration.checkout import Place
from tests.orchestration.conftest import FirstRun

KEY = "a key for tests"
ADDRESS, NAME = b"ada@tuesday.example", b"Augusta Ada"


def find_words(folder: Path, *words: bytes) -> list[str]:
    """Return the files of a folder whose raw bytes hold one of the words, letter case ignored."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(word.lower() in path.read_bytes().lower() for word in words)
    )


def find_tables(place: Place, *words: str) -> list[str]:
    """Return the tables in whose decoded rows one of the words stands, letter case ignored.

    Those of the warehouse, those that are published, and the files of earlier publications.
    """
    publication = name_publication(place.warehouse)
    with duckdb.connect() as connection:
        files = [
            path.name
            for path in sorted(publication.with_suffix("").rglob("*.parquet"))
            if _count_naming(connection, f"read_parquet('{path}')", words)
        ]
    return [*_find_tables(place.warehouse, words), *_find_tables(publication, words), *files]


def _find_tables(file: Path, words: Sequence[str]) -> list[str]:
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute(
            "select format('{}.{}', table_schema, table_name) from information_schema.tables"
            " where table_schema <> 'staging' order by all"
        ).fetchall()
        return [table for (table,) in tables if _count_naming(connection, table, words)]


def _count_naming(connection: duckdb.DuckDBPyConnection, rows: str, words: Sequence[str]) -> int:
    ((found,),) = connection.execute(
        f"select count(*) from {rows} as row where exists ("
        " select 1 from (select unnest($words) as word)"
        " where contains(lower(row::varchar), lower(word)))",
        {"words": list(words)},
    ).fetchall()
    return int(found)


@pytest.fixture
def place(first_run: FirstRun, tmp_path: Path) -> Place:
    """Ada's shop, delivered on Tuesday, in a folder and a checkout of this test's own."""
    checkout = first_run.place.checkout.copied(tmp_path / "checkout")
    place = first_run.place.copied(tmp_path / "shop")
    return Place(checkout, place.folder)


def request_erasure(place: Place) -> None:
    place.put(
        "erasure_requests/1.csv",
        "email,requested_at",
        " ADA@Tuesday.example,2026-03-03T12:00:00Z",
    )


def test_one_run_after_the_request_nothing_names_the_person(place: Place) -> None:
    place.put(
        "contacts/more.csv",
        "contact_id,email,first_name,updated_at",
        "1,ada@tuesday.example,Augusta Ada,2026-02-01T00:00:00Z",
        "1,ada@tuesday.example,Augusta Ada,someday",
    )
    run = place.run(shop.TUESDAY)
    assert run.status == 0, run.err
    assert find_words(place.folder, ADDRESS, NAME) != []
    assert find_tables(place, "ada@tuesday.example") != []
    ((profile_id,),) = place.rows("select profile_id from sync.profiles")

    request_erasure(place)
    run = place.run(shop.WEDNESDAY)

    assert run.status == 0, run.err
    assert (
        "people who were erased are still named in files of the landing folder, which are yours to "
        "delete: consents/2026.csv, contacts/crm.csv, contacts/more.csv, and 3 more"
    ) in " ".join(f"{run.err} {run.out}".split())
    # The newer row of the contact has no birthday: she was in one segment. No others were told of.
    assert "2 of 2 changes delivered (profiles: 1 remove; segment members: 1 remove)" in run.out
    assert find_tables(place, "ada@tuesday.example", "Augusta Ada", str(profile_id)) == []
    # The views of the file that was written anew are those of the old one: Cy's mail and bounce.
    assert place.rows("select count(*) from marts.fct_email_events") == [(2,)]
    shutil.rmtree(place.landing)
    assert find_words(place.folder, ADDRESS, NAME) == []
    assert find_words(place.checkout.root, ADDRESS, NAME) == []


@pytest.mark.slow
def test_what_is_taken_out_leaves_the_other_rows_of_a_delivery_as_they_were(place: Place) -> None:
    place.put(
        "consents/dee.csv",
        "email,purpose,status,recorded_at",
        "dee@tuesday.example,email_marketing,granted,2026-03-03T05:00:00Z",
    )
    assert place.run("2026-03-03T07:00:00Z").status == 0
    first, second = (place.outbox / name for name in place.deliveries())
    untouched = (second / "profiles.csv").read_bytes()
    assert b"dee@" in untouched

    request_erasure(place)
    assert place.run(shop.WEDNESDAY).status == 0

    assert (second / "profiles.csv").read_bytes() == untouched
    emptied = (first / "profiles.csv").read_text(encoding="utf-8").splitlines()
    manifest = json.loads((first / "manifest.json").read_text(encoding="utf-8"))
    assert [line.split(",")[:3] for line in emptied] == [["action", "profile_id", "email"]]
    assert manifest["erased_rows"] == 3
    assert "erasing" not in manifest
    assert {name: entry["rows"] for name, entry in manifest["files"].items()} == {
        "profiles.csv": 0,
        "segment_members.csv": 0,
        "suppressions.csv": 0,
    }
    assert all(
        hashlib.sha256((first / name).read_bytes()).hexdigest() == entry["sha256"]
        for name, entry in manifest["files"].items()
    )


@pytest.mark.slow
def test_a_file_that_is_loaded_again_brings_nobody_back(place: Place) -> None:
    request_erasure(place)
    assert place.run(shop.WEDNESDAY).status == 0
    for file in [*place.landing.rglob("*.csv"), *place.landing.rglob("*.ndjson")]:
        file.rename(file.with_name(f"again-{file.name}"))

    run = place.checkout.mailmart(
        *place.run_arguments("2026-03-05T06:00:00Z"), MAILMART_ERASURE_KEY="another"
    )
    assert run.status == 1
    assert "the erasure key is not the one that this warehouse knows the erased by" in run.last_line
    assert find_tables(place, "ada@tuesday.example") == []

    run = place.run("2026-03-05T06:00:00Z")
    assert run.status == 0, run.err
    assert find_tables(place, "ada@tuesday.example") == []
    # Bo, Cy and Dee came twice, and are themselves.
    assert place.rows("select count(*) from marts.dim_profiles") == [(3,)]


@pytest.mark.slow
def test_a_door_that_stops_the_line_stops_no_erasure(place: Place) -> None:
    doors = place.checkout.root / "expectations" / "doors.yml"
    text = doors.read_text(encoding="utf-8")
    assert "{days_at_most: 760}" in text
    doors.write_text(
        text.replace("warn: {days_at_most: 7}", "warn: null").replace(
            "{days_at_most: 760}", "{days_at_most: 1}"
        ),
        encoding="utf-8",
    )
    request_erasure(place)

    run = place.run(shop.WEDNESDAY)

    assert run.status == 3, run.err
    assert find_tables(place, "ada@tuesday.example") == ["reverse_etl.known_profiles"]
    with duckdb.connect(str(name_publication(place.warehouse)), read_only=True) as reader:
        assert reader.execute("select count(*) from marts.dim_profiles").fetchall() == [(3,)]

    # The destination is told one run later, and then the ledger's address goes from the file too.
    doors.write_text(text, encoding="utf-8")
    run = place.run("2026-03-05T06:00:00Z")
    assert run.status == 0, run.err
    shutil.rmtree(place.landing)
    assert find_words(place.folder, ADDRESS, NAME) == []


@pytest.mark.slow
def test_a_kill_at_any_instant_leaves_an_erasure_that_the_next_run_ends(
    place: Place, tmp_path: Path
) -> None:
    chance = random.Random(3)
    whole = place.copied(tmp_path / "whole").time_run(shop.WEDNESDAY)
    for attempt in range(3):
        killed = place.copied(tmp_path / f"killed-{attempt}")
        request_erasure(killed)
        process = killed.checkout.start("mailmart", *killed.run_arguments(shop.WEDNESDAY))
        time.sleep(chance.uniform(0.3, 1) * whole)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

        run = killed.run(shop.WEDNESDAY)

        assert run.status == 0, run.err
        shutil.rmtree(killed.landing)
        assert find_tables(killed, "ada@tuesday.example") == []
        assert find_words(killed.folder, ADDRESS) == []
        assert killed.rows("select count(*) from marts.dim_profiles") == [(3,)]


def test_a_request_is_filed_from_the_command_line(place: Place) -> None:
    ended = place.checkout.mailmart(
        "erase", "--email", "Ada@tuesday.example", "--warehouse", place.warehouse
    )

    assert ended.status == 0, ended.err
    assert "until then nobody is told of them" in ended.out
    assert "no row here" not in ended.out
    assert place.rows("select email from raw.erasure_requests") == [("Ada@tuesday.example",)]
    # The build is of before the request, which delivery hears all the same.
    sync = place.sync()
    assert "Ada" not in sync.out + sync.err
    assert sync.status == 3


MAY = datetime.fromisoformat("2026-05-01")


@pytest.fixture
def known(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """What a build has made of Ada and Bo, who are the profiles 1 and 2; Ada wants to go."""
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        prepare(connection)
        connection.execute(
            "create table raw.warehouse_settings (name varchar primary key, value varchar);"
            "create schema intermediate; create schema marts;"
            "create table intermediate.int_profiles__resolved"
            " (profile_key integer, email varchar, profile_id varchar)"
        )
        for key, name in enumerate(("ada", "bo"), start=1):
            email = f"{name}@x.example"
            profile_id = hashlib.sha256(f"{KEY}:{email}".encode()).hexdigest()
            connection.execute(
                "insert into raw.contacts (contact_id, email, updated_at) values ($1, $1, $2)",
                [email, MAY],
            )
            connection.execute(
                "insert into intermediate.int_profiles__resolved values (?, ?, ?)",
                [key, email, profile_id],
            )
        connection.execute(
            "create table intermediate.visits as"
            " select profile_key, 'page' as url from intermediate.int_profiles__resolved;"
            "create table intermediate.spellings (written_email varchar);"
            "insert into intermediate.spellings values (' ADA@x.Example'), ('Bo@x.example');"
            "create table marts.spells as"
            " select profile_id, 'win_back' as segment from intermediate.int_profiles__resolved;"
            "create table marts.dim_profiles as"
            " select profile_id, email from intermediate.int_profiles__resolved;"
            "create table marts.fct_builds (as_of timestamp, built_at timestamp);"
            f"insert into marts.fct_builds values ('{MAY}', '{MAY}');"
            # One mail each, Ada's in January and Bo's in February.
            "create table marts.fct_email_events as"
            " select profile_id, make_timestamp(2026, profile_key, 1, 0, 0, 0) as occurred_at"
            " from intermediate.int_profiles__resolved"
        )
        file_request(connection, "Ada@x.example", MAY)
        yield connection


def forget_in_may(connection: duckdb.DuckDBPyConnection) -> None:
    forget(connection, profile_key=KEY, erasure_key=b"another", as_of=MAY, erased_at=MAY)


def test_tables_lose_the_person_by_address_id_and_key(known: duckdb.DuckDBPyConnection) -> None:
    forget_in_may(known)

    (bo,) = known.execute(
        "select profile_key, email, profile_id from intermediate.int_profiles__resolved"
    ).fetchall()
    assert bo[:2] == (2, "bo@x.example")
    assert known.execute("select profile_key from intermediate.visits").fetchall() == [(2,)]
    assert known.execute("select * from intermediate.spellings").fetchall() == [("Bo@x.example",)]
    assert known.execute("select profile_id from marts.spells").fetchall() == [bo[2:]]
    assert needs_rewrite(known)


def test_where_one_table_keeps_the_person_all_do_until_the_next_run(
    known: duckdb.DuckDBPyConnection,
) -> None:
    """Without the raw rows and the request nobody would know any more whom the rest names."""
    known.execute(
        "create table marts.people (profile_id varchar primary key);"
        "insert into marts.people select profile_id from marts.spells;"
        "create table marts.mine (person varchar references marts.people (profile_id));"
        "insert into marts.mine from marts.people"
    )

    with pytest.raises(duckdb.ConstraintException):
        forget_in_may(known)

    for table in ("raw.contacts", "intermediate.visits", "marts.spells"):
        assert known.execute(f"select count(*) from {table}").fetchall() == [(2,)]
    assert known.execute("select count(*) from raw.erasure_requests").fetchall() == [(1,)]
    assert known.execute("select count(*) from raw.erasures").fetchall() == [(0,)]
    assert not needs_rewrite(known)


def test_what_the_ledger_forgets_later_goes_from_the_file_too(
    known: duckdb.DuckDBPyConnection,
) -> None:
    ledger.prepare(known)
    known.execute(
        "insert into reverse_etl.erased_profiles values ('ada', '2026-05-01'), ('bo', '2026-05-01')"
    )
    with rewriting_what_is_forgotten(known):
        """Nothing is delivered, as where a brake holds it."""
    assert not needs_rewrite(known)

    with rewriting_what_is_forgotten(known):
        # A kill may come as soon as it has happened.
        assert needs_rewrite(known)
        ledger.forget(known, {"ada"})
    assert needs_rewrite(known)


def test_a_run_as_of_the_second_in_which_the_request_was_filed_fulfils_it(
    known: duckdb.DuckDBPyConnection,
) -> None:
    """The command names that second, and no fraction."""
    known.execute("delete from raw.erasure_requests")
    file_request(known, "bo@x.example", MAY.replace(microsecond=250_000))
    forget_in_may(known)
    assert known.execute("select email from raw.contacts").fetchall() == [("ada@x.example",)]


@pytest.fixture
def killed(
    known: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A warehouse whose last run published Ada, and another one forgot her and was killed."""
    monkeypatch.setenv("MAILMART_PROFILE_KEY", KEY)
    for name in ("WAREHOUSE", "AS_OF", "STARTED_AT", "CODE_VERSION"):
        monkeypatch.setenv(f"MAILMART_{name}", "")
    file = tmp_path / "shop.duckdb"
    publish(known, file, as_of=MAY, at=MAY)
    forget_in_may(known)
    known.close()
    assert find_words(tmp_path, b"ada@x.example") != []
    return file


def hold(warehouse: Path) -> None:
    """Do what every run does with the warehouse, whatever else it comes to."""
    held = Warehouse(path=str(warehouse), as_of=None)
    with held.yield_for_execution(dg.build_init_resource_context()):
        pass


def test_any_run_ends_the_erasure_of_one_that_was_killed(killed: Path) -> None:
    """One that a door stops publishes nothing of its own, and one that only delivers neither."""
    hold(killed)

    with duckdb.connect(str(name_publication(killed)), read_only=True) as reader:
        assert reader.execute("select email from marts.dim_profiles").fetchall() == [
            ("bo@x.example",)
        ]
    (month,) = name_publication(killed).with_suffix("").rglob("*.parquet")
    assert month.name.startswith("2026-02-1-")
    assert find_words(killed.parent, b"ada@x.example") == []


def test_tables_of_two_moments_are_published_for_nobody(killed: Path) -> None:
    with duckdb.connect(str(killed)) as connection:
        connection.execute(
            "create table intermediate.unfinished_builds as"
            f" select timestamp '{MAY}' as as_of, timestamp '{MAY}' as began_at"
        )
    draft = killed.with_name(f".{name_publication(killed).name}.draft")
    draft.write_text("what the killed run had of ada@x.example")

    hold(killed)

    assert not name_publication(killed).exists()
    assert not name_publication(killed).with_suffix("").exists()
    assert find_words(killed.parent, b"ada@x.example") == []


def test_while_the_publication_cannot_be_written_the_erasure_is_not_at_its_end(
    killed: Path,
) -> None:
    in_the_way = killed.with_name(f".{name_publication(killed).name}.draft")
    in_the_way.mkdir()
    hold(killed)
    with duckdb.connect(str(killed)) as connection:
        assert needs_rewrite(connection)

    in_the_way.rmdir()
    hold(killed)

    assert find_words(killed.parent, b"ada@x.example") == []
