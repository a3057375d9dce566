"""Each file is loaded exactly once, whatever happens to it afterwards."""

import gzip
import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion.loader import Progress, load
from tests.ingestion.conftest import (
    ADA,
    BO,
    CONSENTS_HEADER,
    CY,
    LOADED_AT,
    World,
    bound_by_permissions,
    consent,
)

LATER = LOADED_AT + timedelta(days=1)
LATEST = LOADED_AT + timedelta(days=2)


def touch(file: Path, seconds: int) -> None:
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + seconds * 10**9))


def emails(world: World) -> list[str]:
    return world.column("select email from raw.consents order by email")


def states(world: World) -> list[tuple[Any, ...]]:
    return world.rows("select path, status, gone_at from raw.loaded_files order by path")


def test_a_second_load_does_nothing_and_opens_no_file(world: World) -> None:
    file = world.write("consents/a.csv", CONSENTS_HEADER + ADA)
    world.load()
    before = world.rows("from raw.loaded_files")
    status = file.stat()
    # Same size, same time, other bytes: were the file opened, it would be called changed.
    file.write_text(CONSENTS_HEADER + ADA.upper())
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    report = world.load(LATER)
    assert not report.problems
    assert report.tables["consents"].files_loaded == 0
    assert emails(world) == ["ada@example.com"]
    assert world.rows("from raw.loaded_files") == before


def test_the_ledger_says_what_was_loaded_and_when(world: World) -> None:
    file = world.write(
        "consents/2024/a.csv", CONSENTS_HEADER + ADA + BO.replace("granted", "perhaps")
    )
    world.load()
    (row,) = world.rows(
        "select table_name, path, size_bytes, epoch_us(modified_at), status, rows_loaded, "
        "rows_rejected, unknown_columns, reason, loaded_at from raw.loaded_files"
    )
    status = file.stat()
    assert row == (
        "consents",
        "consents/2024/a.csv",
        status.st_size,
        status.st_mtime_ns // 1000,
        "loaded",
        1,
        1,
        "[]",
        None,
        LOADED_AT,
    )
    assert world.rows("select _loaded_at, _file, _row from raw.consents") == [
        (LOADED_AT, "consents/2024/a.csv", 1)
    ]
    assert world.column("select loaded_at from raw.rejected_rows") == [LOADED_AT]


def test_a_touched_file_is_read_again_and_found_unchanged(world: World) -> None:
    file = world.write("consents/a.csv", CONSENTS_HEADER + ADA)
    world.load()
    touch(file, 5)
    assert not world.load(LATER).problems
    assert emails(world) == ["ada@example.com"]
    modified = file.stat().st_mtime_ns // 1000
    assert world.column("select epoch_us(modified_at) from raw.loaded_files") == [modified]


def test_a_changed_file_is_an_error_until_its_old_content_is_back(world: World) -> None:
    file = world.write("consents/a.csv", CONSENTS_HEADER + ADA)
    world.write("consents/b.csv", CONSENTS_HEADER + BO)
    world.load()
    file.write_text(CONSENTS_HEADER + ADA + CY)
    world.write("consents/new.csv", CONSENTS_HEADER + CY)
    for _ in range(2):
        report = world.load(LATER)
        assert [(p.path, p.status) for p in report.problems] == [("consents/a.csv", "changed")]
        assert "put the old content back" in report.problems[0].message
    assert emails(world) == ["ada@example.com", "bo@example.com", "cy@example.com"]
    assert world.column("select path from raw.loaded_files where status = 'changed'") == [
        "consents/a.csv"
    ]
    file.write_text(CONSENTS_HEADER + ADA)
    touch(file, 5)
    assert not world.load(LATER).problems
    assert world.column("select distinct status from raw.loaded_files") == ["loaded"]
    assert len(emails(world)) == 3


def test_a_changed_file_that_was_taken_away_is_no_error_but_stays_on_record(world: World) -> None:
    file = world.write("consents/a.csv", CONSENTS_HEADER + ADA)
    world.load()
    file.write_text(CONSENTS_HEADER + ADA + CY)
    assert world.load(LATER).problems
    file.unlink()
    assert not world.load(LATEST).problems
    assert emails(world) == ["ada@example.com"]
    assert states(world) == [("consents/a.csv", "changed", LATEST)]
    world.load(LATEST + timedelta(days=1))
    assert states(world) == [("consents/a.csv", "changed", LATEST)]

    file.write_text(CONSENTS_HEADER + ADA + CY)
    assert world.load(LATEST).problems
    assert states(world) == [("consents/a.csv", "changed", None)]
    file.write_text(CONSENTS_HEADER + ADA)
    assert not world.load(LATEST).problems
    assert states(world) == [("consents/a.csv", "loaded", None)]


def test_a_rejected_file_is_named_by_every_load_and_tried_again_when_it_changes(
    world: World,
) -> None:
    file = world.write("consents/a.csv", "email,purpose,status\n")
    for _ in range(2):
        report = world.load()
        assert [p.message for p in report.problems] == [
            "consents/a.csv: the required column recorded_at is missing"
        ]
    file.write_text(CONSENTS_HEADER + ADA)
    assert not world.load(LATER).problems
    assert world.rows("select status, reason, loaded_at from raw.loaded_files") == [
        ("loaded", None, LATER)
    ]
    assert emails(world) == ["ada@example.com"]


def test_a_rejected_file_that_was_taken_away_is_no_error_but_stays_on_record(world: World) -> None:
    file = world.write("consents/a.csv", "email\n")
    world.load()
    aside = file.rename(file.with_name("_a.csv"))
    assert not world.load(LATER).problems
    assert states(world) == [("consents/a.csv", "rejected", LATER)]

    aside.rename(file)
    assert world.load(LATEST).problems
    assert states(world) == [("consents/a.csv", "rejected", None)]


def test_a_rejected_file_whose_bytes_were_loaded_under_another_name_is_forgotten(
    world: World,
) -> None:
    packed = gzip.compress(json.dumps(consent()).encode())
    file = world.write("consents/a.ndjson", packed)
    (problem,) = world.load().problems
    assert problem.message == "consents/a.ndjson: it is packed with gzip; let its name end in .gz"
    file.rename(file.with_name("a.ndjson.gz"))
    assert not world.load(LATER).problems
    assert states(world) == [("consents/a.ndjson.gz", "loaded", None)]


def test_a_file_that_nothing_reads_is_forgotten_once_its_very_bytes_were_loaded(
    world: World,
) -> None:
    by_ending = world.write("consents/a.txt", CONSENTS_HEADER + ADA)
    by_folder = world.write("Consents/b.csv", CONSENTS_HEADER + BO)
    world.load()
    by_ending.rename(by_ending.with_suffix(".csv"))
    by_folder.rename(by_ending.with_name("b.csv"))
    assert not world.load(LATER).problems
    assert states(world) == [
        ("consents/a.csv", "loaded", None),
        ("consents/b.csv", "loaded", None),
    ]


def test_a_file_that_nothing_reads_stays_on_record_with_the_load_that_last_saw_it_new(
    world: World,
) -> None:
    file = world.write("consents/a.txt", CONSENTS_HEADER + ADA)
    world.load()
    world.load(LATER)
    assert world.column("select loaded_at from raw.loaded_files") == [LOADED_AT]
    file.write_text(CONSENTS_HEADER + ADA + CY)
    world.load(LATER)
    assert world.column("select loaded_at from raw.loaded_files") == [LATER]
    file.unlink()
    world.load(LATEST)
    assert states(world) == [("consents/a.txt", "unread", LATEST)]


def test_the_bytes_of_a_rejected_file_in_another_table_are_another_file(world: World) -> None:
    content = "email,requested_at\nada@example.com,2024-01-01\n"
    file = world.write("consents/a.csv", content)
    world.load()
    file.unlink()
    world.write("erasure_requests/a.csv", content)
    world.load(LATER)
    assert states(world) == [
        ("consents/a.csv", "rejected", LATER),
        ("erasure_requests/a.csv", "loaded", None),
    ]


def test_a_folder_that_can_be_opened_again_is_no_file_that_is_gone(world: World) -> None:
    file = world.write("consents/2024/a.csv", CONSENTS_HEADER + ADA)
    file.parent.chmod(0)
    with bound_by_permissions():
        assert [problem.path for problem in world.load().problems] == ["consents/2024"]
    file.parent.chmod(0o755)
    assert not world.load(LATER).problems
    assert states(world) == [("consents/2024/a.csv", "loaded", None)]


def test_many_files_that_were_only_copied_are_read_again_and_noted_at_once(world: World) -> None:
    # As after a restore: every time differs, one content does.
    files = [world.write(f"consents/{n}.csv", CONSENTS_HEADER + ADA) for n in range(50)]
    world.load()
    for file in files:
        touch(file, 5)
    files[7].write_text(CONSENTS_HEADER + BO)
    assert [problem.path for problem in world.load(LATER).problems] == ["consents/7.csv"]
    rows = world.rows("select path, size_bytes, epoch_us(modified_at) from raw.loaded_files")
    assert sorted(rows) == sorted(
        (f"consents/{file.name}", file.stat().st_size, file.stat().st_mtime_ns // 1000)
        for file in files
    )
    assert world.column("select path from raw.loaded_files where status = 'changed'") == [
        "consents/7.csv"
    ]
    assert world.column("select count(*) from raw.consents") == [50]


def test_a_file_under_a_new_name_is_a_new_file(world: World) -> None:
    file = world.write("consents/a.csv", CONSENTS_HEADER + ADA)
    world.load()
    file.rename(file.with_name("b.csv"))
    world.load(LATER)
    assert world.column("select _file from raw.consents order by 1") == [
        "consents/a.csv",
        "consents/b.csv",
    ]


def test_the_landing_folder_may_move(world: World, tmp_path: Path) -> None:
    world.write("consents/a.csv", CONSENTS_HEADER + ADA)
    world.load()
    world.landing = world.landing.rename(tmp_path / "elsewhere")
    assert world.load(LATER).tables["consents"].files_loaded == 0


def test_the_time_of_the_load_is_utc_in_whatever_zone_it_is_handed_in(world: World) -> None:
    world.write("consents/a.csv", CONSENTS_HEADER + ADA)
    world.load(datetime.fromisoformat("2026-11-22T08:00:00+02:00"))
    assert world.column("select _loaded_at from raw.consents") == [LOADED_AT]


def test_row_numbers_do_not_depend_on_the_session(world: World) -> None:
    world.warehouse.execute("set preserve_insertion_order = false")
    names = [f"p{n}" for n in range(300_000)]
    world.write("products/a.csv", "product_id\n" + "\n".join(names) + "\n")
    world.load()
    assert world.column(
        "select count(*) from raw.products where product_id <> 'p' || (_row - 1)"
    ) == [0]
    assert world.column("select current_setting('preserve_insertion_order')") == [False]


def test_progress_counts_every_file_and_byte(world: World) -> None:
    for name in ("a", "b", "c"):
        world.write(f"consents/{name}.csv", CONSENTS_HEADER + ADA)
    world.write("consents/d.csv", "email\n")
    seen: list[Progress] = []
    load(world.warehouse, world.landing, LOADED_AT, seen.append)
    assert [progress.files_done for progress in seen] == [1, 2, 3, 4]
    assert seen[-1].files_total == 4
    assert seen[-1].bytes_done == seen[-1].bytes_total == 3 * len(CONSENTS_HEADER + ADA) + 6


def test_a_file_that_cannot_be_opened_is_tried_at_every_load(world: World) -> None:
    file = world.write("consents/a.csv", CONSENTS_HEADER + ADA)
    file.chmod(0)
    with bound_by_permissions():
        assert [problem.path for problem in world.load().problems] == ["consents/a.csv"]
    file.chmod(0o644)
    assert not world.load().problems
    assert emails(world) == ["ada@example.com"]
