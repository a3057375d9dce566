"""`mailmart doctor`: what is well, what is ill, and how to mend it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.orchestration.checkout import Checkout, Ended, Place
from tests.orchestration.conftest import FirstRun
from tests.orchestration.shop import TUESDAY


def examined(place: Place, **settings: str) -> Ended:
    return place.checkout.mailmart(
        *("doctor", "--warehouse", place.warehouse),
        **{"MAILMART_LANDING": str(place.landing), "MAILMART_OUTBOX": str(place.outbox)} | settings,
    )


def test_a_house_in_order_needs_no_mending(built: Place) -> None:
    ended = examined(built)

    assert ended.status == 0, ended.out
    assert "MEND" not in ended.out
    assert "4 files of 4 tables" in ended.out
    assert "1 builds, the newest as of 2026-03-03 06:00 UTC" in ended.out
    assert "models: churn none yet, open none yet" in ended.out


def test_a_house_out_of_order_is_told_what_to_mend_all_at_once(built: Place) -> None:
    champion = built.folder / "warehouse.duckdb.models" / "churn" / "champion.json"
    champion.parent.mkdir(parents=True)
    champion.write_text("not what was written", encoding="utf-8")
    (built.folder / "file").touch()

    ended = examined(
        built,
        MAILMART_LANDING=str(built.folder / "nowhere"),
        MAILMART_PROFILE_KEY="another key",
    )

    ill = [line for line in ended.out.splitlines() if line.startswith("MEND")]
    assert ended.status == 1
    assert ended.last_line == "3 of 9 need mending."
    assert f"there is no {built.folder / 'nowhere'}" in ill[0]
    assert "put the old key back" in ill[1]
    assert f"Delete it and train anew (mailmart train): {champion}" in ill[2]


def test_looking_makes_nothing(checkout: Checkout, tmp_path: Path) -> None:
    place = Place(checkout, tmp_path)

    ended = examined(place)

    assert "the first run makes it" in ended.out
    assert list(tmp_path.iterdir()) == []


def looked_at(checkout: Checkout, place: Place) -> Ended:
    return examined(Place(checkout, place.folder))


def ill(ended: Ended) -> list[str]:
    return [line for line in ended.out.splitlines() if line.startswith("MEND")]


@pytest.fixture
def own(first_run: FirstRun, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose files may be written wrong."""
    return first_run.place.checkout.copied(tmp_path_factory.mktemp("own"))


def test_a_secret_that_is_not_set_is_missing(own: Checkout) -> None:
    with (own.root / "destinations.yml").open("a", encoding="utf-8") as settings:
        settings.write(
            "  hook:\n    kind: webhook\n    segments: all\n    properties: all\n"
            "    url: https://hook.example\n    secret: HOOK_SECRET\n"
        )

    assert (
        "destinations.hook needs HOOK_SECRET in the environment" in ill(own.mailmart("doctor"))[0]
    )
    assert "(file, hook)" in own.mailmart("doctor", HOOK_SECRET="one").out


def rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_files_that_people_edit_are_looked_at_all_at_once(own: Checkout, built: Place) -> None:
    rewrite(own.root / "destinations.yml", "segments: all", "segments: [win_back, winn_back]")
    rewrite(
        own.root / "dbt_project.yml", "rule: is_recent_abandoner\n", "rule: is_recent_abandner\n"
    )
    rewrite(
        own.root / "dbt_project" / "seeds" / "machine_user_agents.csv",
        '"\\bmimecast"',
        '"(mimecast"',
    )
    (own.root / "data" / "mailmart.key").write_bytes(b"\xff\xfe\x00")

    ended = looked_at(own, built)

    names, patterns, key, warehouse, segments = ill(ended)
    assert "destinations.file names the segment winn_back, which" in names
    assert "it has: high_engagement, potentially_interested" in names
    assert "the pattern '(mimecast' is no regular expression" in patterns
    assert "mailmart.key holds no text; put the key back" in key
    assert "mailmart.key holds no text" in warehouse
    assert "the rule of the segment recent_abandoners does not work" in segments
    assert '"is_recent_abandner" not found' in segments


def test_a_project_that_is_no_yaml_is_named_with_its_line(own: Checkout, built: Place) -> None:
    rewrite(own.root / "dbt_project.yml", "\nvars:\n", "\nvars:\n\t\n")
    run = own.mailmart(*Place(own, built.folder).run_arguments(TUESDAY))

    (project, *_) = ill(looked_at(own, built))

    assert "dbt_project.yml is no valid YAML: while scanning for the next token" in project
    assert re.search(r"line \d+, column 1", project)
    assert run.status == 1
    assert "dbt_project.yml is no valid YAML" in run.last_line
    assert "Namespace" not in run.err


def test_a_segment_that_is_written_wrong_is_named(own: Checkout, built: Place) -> None:
    rewrite(
        own.root / "dbt_project.yml", "rule: is_recent_abandoner\n", "ruel: is_recent_abandoner\n"
    )

    (project, *_) = ill(looked_at(own, built))

    assert "the segment recent_abandoners has no rule" in project


def test_a_lost_key_is_missed_where_a_warehouse_was_built_with_it(
    own: Checkout, built: Place
) -> None:
    (own.root / "data" / "mailmart.key").unlink()

    ended = looked_at(own, built)

    assert [line for line in ill(ended) if "was built with is missing" in line] != []
    assert not (own.root / "data" / "mailmart.key").exists()


def test_destinations_that_are_all_disabled_tell_nobody_anything(
    own: Checkout, built: Place
) -> None:
    rewrite(own.root / "destinations.yml", "enabled: true", "enabled: false")

    (settings,) = ill(looked_at(own, built))

    assert "every destination is disabled" in settings


def test_an_older_ledger_is_told_how_to_become_one_of_today(built: Place) -> None:
    built.change("alter table reverse_etl.runs drop tier_mix")

    ended = examined(built)
    run = built.run(TUESDAY)

    (warehouse,) = ill(ended)
    assert 'alter table reverse_etl.runs add column "tier_mix" map(varchar, bigint)' in warehouse
    assert run.status == 1
    assert "without reverse_etl.runs.tier_mix" in run.last_line
    assert built.rows("select count(*) from marts.fct_builds") == [(1,)]


def test_other_folders_can_be_looked_at(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ended = checkout.mailmart(
        *("doctor", "--warehouse", tmp_path / "file" / "w.duckdb"),
        *("--landing", tmp_path / "in", "--outbox", tmp_path / "out"),
    )

    assert f"there is no {tmp_path / 'in'}; make it" in ended.out
    assert f"outbox: {tmp_path / 'out'} can be written to" in ended.out


def test_a_reader_who_goes_away_is_no_error(checkout: Checkout) -> None:
    process = checkout.start("mailmart", "doctor")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()

    err = process.stderr.read()
    process.wait(timeout=60)

    assert "not foreseen" not in err
    assert "Traceback" not in err
