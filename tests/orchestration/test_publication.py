"""Readers never wait, never see half a build, and keep what they have opened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.publication import (
    SCORES,
    Publication,
    name_publication,
    note_change,
    publish,
    published_at,
)
from tests.orchestration import shop
from tests.orchestration.checkout import ROOT, Place

MONDAY = datetime.fromisoformat("2026-03-02")


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """Two opens in January, one in February, and the profile of one person."""
    file = tmp_path / "it's mine.duckdb"
    with duckdb.connect(str(file)) as connection:
        for statement in (
            "create schema marts",
            "create schema raw",
            "create table raw.secrets as select 1 as one",
            "create table marts.dim_profiles as select 'ada' as profile_id",
            "create table marts.fct_email_events (email_event_id varchar, occurred_at timestamp)",
            "insert into marts.fct_email_events values ('a', '2026-01-01'), ('b', '2026-01-31'),"
            " ('c', '2026-02-01')",
        ):
            connection.execute(statement)
    return file


def do(warehouse: Path, statement: str) -> None:
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(statement)


def publish_at(warehouse: Path, at: datetime, keeps: timedelta = timedelta(days=1)) -> Publication:
    with duckdb.connect(str(warehouse)) as connection:
        return publish(connection, warehouse, as_of=at, at=at, keeps=keeps)


def read(warehouse: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(name_publication(warehouse)), read_only=True) as connection:
        return connection.execute(query).fetchall()


def find_files(warehouse: Path) -> list[str]:
    folder = name_publication(warehouse).with_suffix("")
    return sorted(path.name.split("-", 3)[1] for path in folder.rglob("*.parquet"))


def test_readers_find_the_public_tables_and_nothing_else(warehouse: Path) -> None:
    assert publish_at(warehouse, MONDAY).tables == 2
    assert read(
        warehouse,
        "select string_agg(email_event_id, '' order by email_event_id) from marts.fct_email_events",
    ) == [("abc",)]
    assert read(warehouse, "from marts.dim_profiles") == [("ada",)]
    assert read(warehouse, "from publication") == [(MONDAY, MONDAY)]
    assert read(warehouse, "select distinct schema_name from duckdb_tables() order by all") == [
        ("main",),
        ("marts",),
    ]


def test_only_a_month_that_changed_is_written_anew(warehouse: Path) -> None:
    assert publish_at(warehouse, MONDAY).files_written == 2
    january = {p: p.stat().st_ino for p in warehouse.parent.rglob("2026-01-*.parquet")}
    do(
        warehouse,
        "update marts.fct_email_events set email_event_id = 'd' where email_event_id = 'c'",
    )

    again = publish_at(warehouse, MONDAY + timedelta(hours=1))

    assert (again.files, again.files_written) == (2, 1)
    assert {p: p.stat().st_ino for p in warehouse.parent.rglob("2026-01-*.parquet")} == january
    assert read(warehouse, "select max(email_event_id) from marts.fct_email_events") == [("d",)]


def note(warehouse: Path, *instants: str, model: str = "int_email_events__classified") -> None:
    """Note changes as a build does; None is any row."""
    do(
        warehouse,
        "create schema if not exists intermediate;"
        "create table if not exists intermediate.changed_rows"
        " (began_at timestamp, model varchar, happened_at timestamp);"
        "insert into intermediate.changed_rows values "
        + ", ".join(f"('2026-03-02', '{model}', {instant})" for instant in instants),
    )


def test_only_files_of_days_with_changes_are_compared(warehouse: Path) -> None:
    note(warehouse, "null")
    assert publish_at(warehouse, MONDAY).files_compared == 2
    assert publish_at(warehouse, MONDAY).files_compared == 0
    do(warehouse, "insert into marts.fct_email_events values ('d', '2026-01-30')")
    # One that came back as it was, and a day that no row is of.
    note(warehouse, "'2026-01-07'", "'2026-03-01'")

    again = publish_at(warehouse, MONDAY)

    assert (again.files, again.files_compared, again.files_written) == (2, 1, 1)
    assert read(warehouse, "select count(*) from marts.fct_email_events") == [(4,)]

    do(warehouse, "delete from marts.fct_email_events where email_event_id = 'c'")
    note(warehouse, "'2026-02-01 10:00:00'")
    assert publish_at(warehouse, MONDAY).files == 1
    note(warehouse, "'2026-02-01'", "null")
    assert publish_at(warehouse, MONDAY).files_compared == 1


def test_a_month_is_in_files_of_days_until_it_has_ended(warehouse: Path) -> None:
    note(warehouse, "null")
    do(warehouse, "insert into marts.fct_email_events values ('d', '2026-02-28')")

    def name_files() -> list[str]:
        paths = name_publication(warehouse).with_suffix("").rglob("*.parquet")
        return sorted(path.name.rpartition("-")[0].rpartition("-")[0] for path in paths)

    publish_at(warehouse, datetime.fromisoformat("2026-03-04"), keeps=timedelta(0))
    assert name_files() == ["2026-01", "2026-02-01", "2026-02-28"]
    published = publish_at(warehouse, datetime.fromisoformat("2026-03-05"), keeps=timedelta(0))
    assert (published.files_compared, published.files_written) == (1, 1)
    assert name_files() == ["2026-01", "2026-02"]
    assert read(
        warehouse,
        "select string_agg(email_event_id, '' order by email_event_id) from marts.fct_email_events",
    ) == [("abcd",)]
    # Back again, no month is what it was.
    publish_at(warehouse, datetime.fromisoformat("2026-03-04"), keeps=timedelta(0))
    assert name_files() == ["2026-01", "2026-02-01", "2026-02-28"]


def test_a_file_that_somebody_took_away_is_written_again(warehouse: Path) -> None:
    note(warehouse, "null")
    publish_at(warehouse, MONDAY)
    for path in warehouse.parent.rglob("2026-01-*.parquet"):
        path.unlink()
    assert publish_at(warehouse, MONDAY).files_written == 1
    assert read(warehouse, "select count(*) from marts.fct_email_events") == [(3,)]


def test_features_of_opens_change_before_the_open_and_when_its_time_is_over(
    warehouse: Path,
) -> None:
    do(
        warehouse,
        "create table marts.ftr_open_propensity as select number, timestamp '2026-02-19 12:00:00'"
        " + number * interval 1 day as sent_at from range(10) as t(number)",
    )
    note(warehouse, "null")
    assert publish_at(warehouse, MONDAY).files_compared == 2 + 10
    # An open on the 24th may be of a mail of the 21st. What was sent on the 27th and, at noon,
    # before its time was over is settled between noon on the 2nd of March and that of the 3rd.
    note(warehouse, "'2026-02-24 08:00:00'")
    noon = MONDAY + timedelta(hours=12)
    published = publish_at(warehouse, noon)
    # The 21st to the 24th and the 27th; of events there is none on the 24th.
    assert published.files_compared == 4 + 1
    assert publish_at(warehouse, noon + timedelta(days=1)).files_compared == 2


def test_scores_of_earlier_days_keep_their_files(warehouse: Path) -> None:
    note(warehouse, "null")
    do(
        warehouse,
        "create schema ml;"
        "create table ml.scores as select 'ada' as profile_id, day::timestamp as scored_at"
        " from (values ('2026-02-28'), ('2026-03-01')) as days (day)",
    )
    publish_at(warehouse, MONDAY)
    do(warehouse, "insert into ml.scores values ('ada', '2026-03-02')")
    with duckdb.connect(str(warehouse)) as connection:
        note_change(connection, SCORES, MONDAY)

    again = publish_at(warehouse, MONDAY)

    assert (again.files, again.files_compared, again.files_written) == (5, 1, 1)
    assert read(warehouse, "select count(*) from ml.scores") == [(3,)]


def test_the_same_rows_in_another_order_are_no_change(warehouse: Path) -> None:
    publish_at(warehouse, MONDAY)
    do(
        warehouse,
        "create or replace table marts.fct_email_events as"
        " from marts.fct_email_events order by occurred_at desc",
    )
    assert publish_at(warehouse, MONDAY).files_written == 0


def test_who_has_an_earlier_publication_open_goes_on_reading_it(warehouse: Path) -> None:
    publish_at(warehouse, MONDAY)
    with duckdb.connect(str(name_publication(warehouse)), read_only=True) as reader:
        do(warehouse, "delete from marts.fct_email_events where email_event_id <> 'a'")
        publish_at(warehouse, MONDAY + timedelta(hours=1))
        rows = reader.execute("select count(*) from marts.fct_email_events").fetchall()
    assert rows == [(3,)]
    assert read(warehouse, "select count(*) from marts.fct_email_events") == [(1,)]


def test_files_that_nobody_needs_any_more_go_a_day_after_they_were_superseded(
    warehouse: Path,
) -> None:
    publish_at(warehouse, MONDAY)
    do(warehouse, "delete from marts.fct_email_events where email_event_id = 'c'")
    publish_at(warehouse, MONDAY + timedelta(days=2))
    assert find_files(warehouse) == ["01", "02"]
    publish_at(warehouse, MONDAY + timedelta(days=2, hours=23))
    assert find_files(warehouse) == ["01", "02"]
    publish_at(warehouse, MONDAY + timedelta(days=3))
    assert find_files(warehouse) == ["01"]


@pytest.mark.parametrize(
    "text",
    ["", "\x00", "[]", "{}", '{"published_at": 7, "superseded": {}}', '{"published_at": "Monday"}',
     '{"published_at": "2026-03-02", "superseded": ["a"]}',
     '{"published_at": "2026-03-02", "superseded": {"a": "Monday"}}'],
)  # fmt: skip
def test_a_record_that_somebody_broke_is_written_anew(warehouse: Path, text: str) -> None:
    publish_at(warehouse, MONDAY)
    do(warehouse, "delete from marts.fct_email_events where email_event_id = 'c'")
    publish_at(warehouse, MONDAY)
    record = name_publication(warehouse).with_suffix("") / "publication.json"
    record.write_text(text, encoding="utf-8")

    assert published_at(warehouse) is None
    publish_at(warehouse, MONDAY + timedelta(days=2))
    assert published_at(warehouse) == MONDAY + timedelta(days=2)
    # Since when February is superseded is lost, and counts from now on.
    assert find_files(warehouse) == ["01", "02"]
    publish_at(warehouse, MONDAY + timedelta(days=3))
    assert find_files(warehouse) == ["01"]


def test_what_names_the_erased_goes_at_once(warehouse: Path) -> None:
    publish_at(warehouse, MONDAY)
    do(warehouse, "delete from marts.fct_email_events where email_event_id = 'c'")
    publish_at(warehouse, MONDAY, keeps=timedelta(0))
    assert find_files(warehouse) == ["01"]
    assert published_at(warehouse) == MONDAY


def test_a_table_without_rows_is_published_with_its_columns(warehouse: Path) -> None:
    do(warehouse, "delete from marts.fct_email_events")
    publish_at(warehouse, MONDAY)
    assert read(warehouse, "select occurred_at from marts.fct_email_events") == []


def test_what_a_killed_publication_left_is_cleaned_up(warehouse: Path) -> None:
    publish_at(warehouse, MONDAY)
    file = name_publication(warehouse)
    file.with_name(f".{file.name}.draft").write_text("half")
    half = file.with_suffix("") / "marts.fct_email_events" / ".2026-02.parquet.draft"
    half.write_text("half")
    publish_at(warehouse, MONDAY)
    assert not half.exists()
    assert not file.with_name(f".{file.name}.draft").exists()


def test_what_changed_before_a_publication_that_failed_is_compared_by_the_next(
    warehouse: Path,
) -> None:
    note(warehouse, "null")
    publish_at(warehouse, MONDAY)
    do(warehouse, "insert into marts.fct_email_events values ('d', '2026-02-01')")
    note(warehouse, "'2026-02-01'")
    # A folder in the place of the file that is to be swapped in.
    file = name_publication(warehouse)
    file.rename(file.with_name("aside"))
    (file / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        publish_at(warehouse, MONDAY)
    (file / "in the way").rmdir()
    file.rmdir()
    note(warehouse, "'2026-02-03'")

    assert publish_at(warehouse, MONDAY).files_compared == 1

    assert read(warehouse, "select count(*) from marts.fct_email_events") == [(4,)]


PUBLISH_UNTIL_THE_DISK_IS_FULL = """
import resource, signal, sys
from datetime import datetime
from pathlib import Path
import duckdb
from orchestration.publication import publish

# The system kills who writes more than this into a file; Python would hear an error instead.
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
at = datetime.fromisoformat("2026-03-03")
with duckdb.connect(sys.argv[1]) as connection:
    publish(connection, Path(sys.argv[1]), as_of=at, at=at)
"""


def test_a_kill_in_the_middle_of_a_file_leaves_the_publication_before_and_no_half_month(
    warehouse: Path,
) -> None:
    publish_at(warehouse, MONDAY)
    # 100,000 ids of 32 characters do not fit into the megabyte, and one profile does.
    do(
        warehouse,
        "insert into marts.fct_email_events"
        " select md5(number::varchar), timestamp '2026-02-02' from range(100000) as t(number)",
    )
    ended = subprocess.run(
        [sys.executable, "-c", PUBLISH_UNTIL_THE_DISK_IS_FULL, str(warehouse)],
        cwd=ROOT,
        check=False,
    )
    assert ended.returncode == -signal.SIGXFSZ
    assert read(warehouse, "select count(*) from marts.fct_email_events") == [(3,)]
    assert find_files(warehouse) == ["01", "02"]

    assert publish_at(warehouse, MONDAY).files_written == 1

    assert read(warehouse, "select count(*) from marts.fct_email_events") == [(100_003,)]


def look(place: Place) -> tuple[object, ...]:
    """Read what any reader may: the instant, and counts that only fit together at one of them."""
    with duckdb.connect(str(name_publication(place.warehouse)), read_only=True) as reader:
        ((as_of,),) = reader.execute("select as_of from publication").fetchall()
        ((built,),) = reader.execute(
            "select max_by(as_of, built_at) from marts.fct_builds"
        ).fetchall()
        ((profiles, events),) = reader.execute(
            "select (select count(*) from marts.dim_profiles),"
            " (select count(*) from marts.fct_email_events)"
        ).fetchall()
    return as_of, built, profiles, events


TUESDAY, WEDNESDAY = (
    datetime.fromisoformat(day).replace(tzinfo=None) for day in (shop.TUESDAY, shop.WEDNESDAY)
)
# Eve comes on Wednesday, with a mail.
BEFORE, AFTER = (TUESDAY, TUESDAY, 4, 4), (WEDNESDAY, WEDNESDAY, 5, 5)


def add_eve(place: Place) -> None:
    place.put(
        "email_events/2026-03-04.csv",
        "event_type,occurred_at,email,message_id",
        "sent,2026-03-04T05:00:00Z,eve@tuesday.example,eve-1",
    )


def test_readers_see_the_build_before_until_the_new_one_is_whole(built: Place) -> None:
    add_eve(built)
    process = built.checkout.start("mailmart", *built.run_arguments(shop.WEDNESDAY))
    seen = []
    while process.poll() is None:
        seen.append(look(built))
        time.sleep(0.05)
    _, err = process.communicate()

    assert process.returncode == 0, err
    assert set(seen) <= {BEFORE, AFTER}
    assert seen == sorted(seen)
    assert look(built) == AFTER


@pytest.mark.slow
def test_a_kill_at_any_instant_leaves_a_publication_that_is_whole(
    built: Place, tmp_path: Path
) -> None:
    chance = random.Random(5)
    add_eve(built)
    whole = built.copied(tmp_path / "whole").time_run(shop.WEDNESDAY)
    for _ in range(5):
        process = built.checkout.start("mailmart", *built.run_arguments(shop.WEDNESDAY))
        time.sleep(chance.uniform(0.2, 1) * whole)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert look(built) in (BEFORE, AFTER)
    assert built.run(shop.WEDNESDAY).status == 0
    assert look(built) == AFTER
