"""`mailmart run`: what it leaves, what it says, and how it ends."""

from __future__ import annotations

import csv
from pathlib import Path

import dagster as dg
import pytest

from tests.orchestration.checkout import Checkout, Place
from tests.orchestration.conftest import FirstRun
from tests.orchestration.shop import FIRST_DELIVERY, TUESDAY, WEDNESDAY


def test_a_run_carries_the_landing_folder_to_the_outbox(first_run: FirstRun) -> None:
    place = first_run.place

    assert first_run.ended.status == 0, first_run.ended.err
    assert place.rows("select email, may_be_mailed from marts.dim_profiles order by email") == [
        ("ada@tuesday.example", True),
        ("bo@tuesday.example", False),
        ("cy@tuesday.example", False),
        ("dee@tuesday.example", False),
    ]
    (folder,) = place.deliveries()
    with (place.outbox / folder / "profiles.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["action"], row["email"]) for row in csv.DictReader(file)] == [
            ("add", "ada@tuesday.example")
        ]
    with (place.outbox / folder / "segment_members.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["segment"], row["email"]) for row in csv.DictReader(file)] == [
            ("birthday_week", "ada@tuesday.example"),
            ("potentially_interested", "ada@tuesday.example"),
        ]


def test_a_run_ends_with_a_summary_that_a_marketer_can_read(first_run: FirstRun) -> None:
    said = " ".join(first_run.ended.out.split())

    assert "4 profiles as of 2026-03-03 06:00 UTC, 1 of them may be mailed." in said
    assert "never consented 1" in said
    assert "withdrew the consent 1" in said
    assert "the address is dead 1" in said
    assert "birthday_week 1 1 0 1" in said
    assert "Too little data to train the churn model" in said
    assert FIRST_DELIVERY in said
    assert f"the tables are in {first_run.place.warehouse}" in said


def test_a_run_leaves_a_report_and_says_where(first_run: FirstRun) -> None:
    page = first_run.report

    assert page.is_relative_to(first_run.place.checkout.root / "data" / "reports")
    assert "1 of 4 profiles may be mailed." in page.read_text(encoding="utf-8")
    assert "ada@tuesday.example" not in page.read_text(encoding="utf-8")
    assert (page.parents[1] / "latest" / "index.html").is_file()


def test_every_segment_is_named_also_the_empty_ones(first_run: FirstRun) -> None:
    said = " ".join(first_run.ended.out.split())

    assert "birthday_week 1 1 0 1" in said
    assert "win_back 0 0 0 0" in said


def test_a_run_in_a_log_is_told_in_plain_lines(first_run: FirstRun) -> None:
    assert "loading files: 4 of 4\n" in first_run.ended.err
    assert "\x1b" not in first_run.ended.err + first_run.ended.out
    assert "\r" not in first_run.ended.err + first_run.ended.out


def test_a_second_run_while_one_is_going_gives_way_and_harms_nothing(first_run: FirstRun) -> None:
    assert first_run.intruder.status == 1
    assert first_run.intruder.last_line.startswith(
        f"another run (process {first_run.process}, since 20"
    )
    assert "wait until it is done" in first_run.intruder.last_line
    assert first_run.ended.status == 0


def test_a_run_is_kept_where_the_pages_of_dagster_show_it(first_run: FirstRun) -> None:
    home = first_run.place.checkout.root / "data" / "dagster"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = instance.get_runs()

    shown = [run for run in runs if f"The run is {run.run_id[:8]}" in first_run.ended.out]
    assert [(run.job_name, run.status) for run in shown] == [("daily", dg.DagsterRunStatus.SUCCESS)]


def test_nothing_that_a_run_says_or_keeps_beside_the_warehouse_has_an_address(
    first_run: FirstRun,
) -> None:
    root = first_run.place.checkout.root
    kept = [path for name in ("data", "target", "logs") for path in (root / name).rglob("*")]

    assert "tuesday.example" not in first_run.ended.out + first_run.ended.err
    assert [p for p in kept if p.is_file() and b"@tuesday.example" in p.read_bytes()] == []


def test_the_profile_key_is_in_its_own_file_alone(first_run: FirstRun) -> None:
    root = first_run.place.checkout.root
    key_file = root / "data" / "mailmart.key"
    key = key_file.read_bytes().strip()

    assert key_file.stat().st_mode & 0o777 == 0o600
    assert len(key) == 64
    for folder in (root, first_run.place.folder):
        holding = [p for p in folder.rglob("*") if p.is_file() and key in p.read_bytes()]
        assert holding == ([key_file] if folder == root else [])


@pytest.mark.slow
def test_a_second_run_of_the_same_data_sends_nothing_wherever_one_stands(built: Place) -> None:
    before = built.deliveries()

    # Paths are of the folder that one stands in.
    ended = built.checkout.mailmart(
        *("run", "--landing", "landing", "--warehouse", "warehouse.duckdb"),
        *("--outbox", "outbox", "--as-of", TUESDAY),
        cwd=built.folder,
    )

    assert ended.status == 0, ended.err
    assert "file: nothing to send; it is up to date" in ended.out
    assert built.deliveries() == before
    assert built.rows("select count(*) from marts.fct_builds") == [(2,)]


@pytest.mark.slow
def test_a_past_that_was_delivered_already_is_built_and_not_delivered(built: Place) -> None:
    before = built.deliveries()

    ended = built.run("2026-03-02T06:00:00Z")

    assert ended.status == 0, ended.err
    assert "nothing is delivered: 2026-03-02T06:00:00Z lies before 2026-03-03" in ended.out
    assert built.deliveries() == before
    assert built.rows("select max_by(as_of, built_at)::varchar from marts.fct_builds") == [
        ("2026-03-02 06:00:00",)
    ]


@pytest.mark.slow
def test_a_full_refresh_builds_the_same_again(built: Place) -> None:
    tables = ("dim_profiles", "fct_email_events", "fct_segment_members", "ftr_churn")
    before = [built.rows(f"select * from marts.{table} order by all") for table in tables]

    ended = built.checkout.mailmart(*built.run_arguments(TUESDAY), "--full-refresh")

    assert ended.status == 0, ended.err
    assert [built.rows(f"select * from marts.{table} order by all") for table in tables] == before
    assert "nothing to send" in ended.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "--frobnicate"], "No such option"),
        (["run", "--as-of", "tomorrow-ish"], "'tomorrow-ish' is no time; write it as ISO 8601"),
        (["run", "--as-of", "0001-01-01T00:00:00+14:00"], "is no time"),
        (["run", "--as-of", "2999-06-01"], "2999-06-01T00:00:00Z lies in the future (it is 20"),
        (["run", "--landing", "nowhere"], "'nowhere' does not exist"),
        (["sync", "--destination", "fax"], "there is no destination 'fax'; there are: file"),
        (["simulate", "--profiles", "0", "--days", "1", "--seed", "1", "--out", "x"], "0"),
        (["dance"], "No such command"),
    ],
)
def test_wrong_usage_says_what_is_right(
    checkout: Checkout, arguments: list[str], complaint: str
) -> None:
    ended = checkout.mailmart(*arguments)

    assert ended.status == 2
    assert complaint in ended.err
    assert "Traceback" not in ended.err


def test_a_variable_of_the_environment_is_read_as_strictly_as_an_option(
    checkout: Checkout, tmp_path: Path
) -> None:
    ended = checkout.mailmart("run", "--landing", tmp_path, MAILMART_AS_OF="yesterday")

    assert ended.status == 2
    assert "'yesterday' is no time" in ended.err


def test_a_future_of_the_environment_is_refused_like_that_of_an_option(
    checkout: Checkout, tmp_path: Path
) -> None:
    ended = checkout.mailmart("run", "--landing", tmp_path, MAILMART_AS_OF="2999-06-01")

    assert ended.status == 2
    assert "2999-06-01T00:00:00Z lies in the future" in ended.err


def test_every_door_leaves_a_page_of_the_run(first_run: FirstRun) -> None:
    report = first_run.report.parent
    doors = report.parent / "doors"

    assert (doors / "latest").is_dir()
    assert sorted(page.name for page in (doors / report.name).iterdir()) == [
        "after_loading.html",
        "before_delivery.html",
        "before_scoring.html",
    ]
    assert first_run.place.rows(
        "select door, as_of::varchar from raw.door_verdicts group by all order by all"
    ) == [
        ("after_loading", "2026-03-03 06:00:00"),
        ("before_delivery", "2026-03-03 06:00:00"),
        ("before_scoring", "2026-03-03 06:00:00"),
    ]


@pytest.mark.slow
def test_a_later_run_tells_only_what_changed(built: Place) -> None:
    ended = built.run(WEDNESDAY)

    # Ada's look at the mug is older than a day by then.
    assert ended.status == 0, ended.err
    assert "1 of 1 changes delivered (segment members: 1 remove)" in ended.out
    assert len(built.deliveries()) == 2
