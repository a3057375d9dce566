"""Which files are data, and what becomes of files that are not what they should be."""

import gzip
import json
import os
import random
from pathlib import Path

import pytest

from ingestion.contract import TABLES
from ingestion.loader import load
from tests.ingestion.conftest import ADA, BO, CONSENTS_HEADER, CY, LOADED_AT, World, consent


def messages(world: World) -> dict[str, str]:
    return {
        problem.path: problem.message.removeprefix(f"{problem.path}: ")
        for problem in world.load().problems
    }


def test_names_that_are_patterns_or_partitions_elsewhere_are_plain_names_here(
    world: World,
) -> None:
    names = ["*.csv", "a[b].csv", "a?.csv", "a'b\".csv", "a b.csv", "{a,b}.csv", "ä.CSV", "-.csv"]
    paths = [f"consents/year=2024/k=v/deep/{name}" for name in names]
    for path in paths:
        world.write(path, CONSENTS_HEADER + ADA)
    report = world.load()
    assert not report.problems
    assert world.column("select _file from raw.consents order by 1") == sorted(paths)
    assert report.unknown_columns == ()


def test_hidden_and_unfinished_names_are_no_data(world: World) -> None:
    for name in ("_a.csv", ".a.csv", "a.csv.tmp", "a.csv.part", "_new/a.csv", "b.tmp/a.csv"):
        world.write(f"consents/{name}", CONSENTS_HEADER + ADA)
    report = world.load()
    assert world.column("select count(*) from raw.consents") == [0]
    assert not report.problems
    assert not report.warnings


def test_files_and_folders_that_nobody_expects_are_named(world: World) -> None:
    world.write("readme.md", "hello")
    world.write("consent/a.csv", CONSENTS_HEADER + ADA)
    world.write("consents/a.xlsx", "hello")
    report = world.load()
    assert not report.problems
    assert [warning.split(" is ")[0] for warning in report.warnings] == [
        "the folder consent",
        "consents/a.xlsx",
        "readme.md lies in no table's folder and",
    ]
    assert "consents" not in report.missing_folders
    assert "orders" in report.missing_folders


@pytest.mark.parametrize(
    ("path", "warning"),
    [
        ("consents/w.json", "consents/w.json is not loaded: its name ends in none of .parquet"),
        ("consents/2026/w.txt", "consents/2026/w.txt is not loaded: its name ends in none of"),
        (
            "Consents/x.csv",
            "the folder Consents is of no known table and is not loaded; rename it to consents",
        ),
        (
            "CONSENTS /deep/x.csv",
            "the folder CONSENTS  is of no known table and is not loaded; rename it to consents",
        ),
        (
            "consents.csv",
            "consents.csv lies in no table's folder and is not loaded; "
            "move it into the folder consents",
        ),
    ],
)
def test_what_nothing_reads_of_a_table_is_kept_on_record(
    world: World, path: str, warning: str
) -> None:
    file = world.write(path, CONSENTS_HEADER + ADA)
    report = world.load()
    assert not report.problems
    (told,) = report.warnings
    assert told.startswith(warning)
    assert world.rows(
        "select table_name, path, size_bytes, epoch_us(modified_at), status, rows_loaded, "
        "rows_rejected, loaded_at from raw.loaded_files"
    ) == [
        (
            *("consents", path, file.stat().st_size, file.stat().st_mtime_ns // 1000),
            *("unread", 0, 0, LOADED_AT),
        )
    ]
    assert world.column("select count(*) from raw.consents") == [0]


def test_a_folder_that_is_near_no_table_leaves_nothing_on_record(world: World) -> None:
    world.write("consents.old/a.csv", CONSENTS_HEADER + ADA)
    world.write("invoices/a.csv", "invoice_id\n1\n")
    world.write("readme.md", "hello")
    world.write("Consents/_notes.txt", "hello")
    world.load()
    assert world.column("select path from raw.loaded_files") == []


def test_a_pipe_that_nothing_reads_does_not_hold_up_the_load(world: World) -> None:
    folder = world.write("consents/a.csv", CONSENTS_HEADER + ADA).parent
    os.mkfifo(folder / "pipe.txt")
    (folder / "nowhere.txt").symlink_to(folder / "nothing")
    world.load()
    assert world.rows(
        "select path, status, content_hash is null from raw.loaded_files order by 1"
    ) == [
        ("consents/a.csv", "loaded", False),
        ("consents/nowhere.txt", "unread", True),
        ("consents/pipe.txt", "unread", True),
    ]


def test_links_are_followed_and_rings_are_not(world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.csv").write_text(CONSENTS_HEADER + ADA)
    near = world.write("consents/near.csv", CONSENTS_HEADER + BO).parent
    (near / "linked").symlink_to(elsewhere)
    (near / "ring").symlink_to(near)
    (near / "broken.csv").symlink_to(tmp_path / "nowhere")
    report = world.load()
    assert world.column("select _file from raw.consents order by 1") == [
        "consents/linked/far.csv",
        "consents/near.csv",
    ]
    assert [problem.path for problem in report.problems] == ["consents/broken.csv"]


def test_a_name_that_is_no_utf8_is_a_problem_with_a_way_out(world: World) -> None:
    folder = world.write("consents/a.csv", CONSENTS_HEADER + ADA).parent
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.csv")).write_text(CONSENTS_HEADER)
    except OSError:
        pytest.skip("this file system takes no such names")
    assert messages(world) == {r"consents/\xff.csv": "it has a name that is not UTF-8; rename it"}


def test_half_a_gzip_stream_is_refused_wherever_it_breaks(world: World) -> None:
    whole = gzip.compress((CONSENTS_HEADER + ADA * 20_000).encode())
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    world.write("consents/cut.csv.gz", whole[: len(whole) // 2])
    world.write("consents/end.csv.gz", whole[:-1])
    world.write("consents/flipped.csv.gz", bytes(flipped))
    world.write("consents/none.csv.gz", CONSENTS_HEADER.encode())
    world.write("consents/two.csv.gz", gzip.compress(CONSENTS_HEADER.encode()) + whole[:0])
    expected = "it is no whole gzip file; copy it again"
    assert messages(world) == {
        f"consents/{name}.csv.gz": expected for name in ("cut", "end", "flipped", "none")
    }
    assert world.column("select count(*) from raw.consents") == [0]


def test_a_gzip_file_of_several_members_is_one_file(world: World) -> None:
    members = [CONSENTS_HEADER + ADA, BO, CY]
    world.write("consents/a.csv.gz", b"".join(gzip.compress(part.encode()) for part in members))
    world.load()
    assert world.column("select _row from raw.consents order by 1") == [1, 2, 3]


def test_files_that_are_not_what_their_names_say_are_refused_with_a_way_out(world: World) -> None:
    world.write("consents/a.parquet", b"hello")
    world.write("consents/b.csv", gzip.compress(b"hello"))
    world.write("consents/b.ndjson", gzip.compress(b"{}"))
    world.write("consents/c.csv", (CONSENTS_HEADER + ADA).encode("utf-16"))
    world.write("consents/d.csv", (CONSENTS_HEADER + ADA).replace(",", ";"))
    world.write("consents/e.csv", "")
    world.write("consents/f.parquet", "")
    world.write("consents/good.csv", CONSENTS_HEADER + ADA)
    no_parquet = "it is no Parquet file or a damaged one; write it again"
    no_text = "it is not text in UTF-8; save it as CSV in UTF-8"
    assert messages(world) == {
        "consents/a.parquet": no_parquet,
        "consents/b.csv": no_text,
        "consents/b.ndjson": "it is packed with gzip; let its name end in .gz",
        "consents/c.csv": no_text,
        "consents/d.csv": "its columns are set apart by semicolons; set them by commas",
        "consents/e.csv": "it has no header row",
        "consents/f.parquet": no_parquet,
    }
    assert world.column("select email from raw.consents") == ["ada@example.com"]


def test_one_damaged_parquet_file_among_many_costs_only_itself(world: World) -> None:
    for n in range(9):
        columns = {name: [value] for name, value in consent(email=f"p{n}@example.com").items()}
        file = world.write_parquet(f"consents/{n}.parquet", columns)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    assert list(messages(world)) == ["consents/8.parquet"]
    assert world.column("select count(*) from raw.consents") == [8]


def test_no_damage_to_a_parquet_file_stops_the_others(world: World) -> None:
    names = [f"tea {n % 7}" for n in range(2000)]
    file = world.write_parquet("products/0.parquet", {"product_id": names, "name": names})
    data = file.read_bytes()
    chance = random.Random(5)
    for n in range(60):
        damaged = bytearray(data)
        for _ in range(3):
            damaged[-1 - chance.randrange(len(data) // 2)] = chance.randrange(256)
        world.write(f"products/{n}.parquet", bytes(damaged))
    world.write("products/good.csv", "product_id\ngood\n")
    report = world.load()
    assert len(report.problems) > 30
    assert world.column("select count(*) from raw.products where product_id = 'good'") == [1]
    assert world.column("select count(*) from raw.loaded_files") == [61]


def test_files_without_rows_are_loaded(world: World) -> None:
    world.write("consents/a.csv", CONSENTS_HEADER)
    world.write("consents/b.csv", CONSENTS_HEADER.strip())
    world.write("consents/c.ndjson", "")
    world.write("consents/d.ndjson.gz", "")
    world.write_parquet("consents/e.parquet", {name: [] for name in consent()})
    report = world.load()
    assert not report.problems
    assert report.tables["consents"].files_loaded == 5


def test_a_missing_required_column_refuses_the_file_by_name(world: World) -> None:
    columns = consent()
    del columns["recorded_at"]
    world.write("consents/a.csv", ",".join(columns) + "\n" + ",".join(columns.values()) + "\n")
    world.write_json("consents/b.ndjson", [columns])
    world.write_parquet("consents/c.parquet", {name: [value] for name, value in columns.items()})
    world.write_json("consents/d.ndjson", [columns, consent()])
    world.write("web_events/e.csv", "event_type,occurred_at\npage_view,2024-01-01\n")
    missing = "the required column recorded_at is missing"
    assert messages(world) == {
        "consents/a.csv": missing,
        "consents/b.ndjson": missing,
        "consents/c.parquet": missing,
        "web_events/e.csv": (
            "one of the columns anonymous_id and email is required; none is there"
        ),
    }
    assert world.column("select _file from raw.consents") == ["consents/d.ndjson"]
    assert [row[:2] for row in world.rejected()] == [(1, "recorded_at is missing")]


def test_a_column_that_stands_twice_refuses_the_file(world: World) -> None:
    world.write("consents/a.csv", "Email,email,purpose,status,recorded_at\na,b,p,granted,2024\n")
    cells = {name: [value] for name, value in consent().items()}
    world.write_parquet("consents/b.parquet", {"EMAIL": ["b"], **cells})
    repeated = "the column email stands more than once; letter case does not tell it apart"
    assert set(messages(world).values()) == {repeated}


def test_keys_of_json_are_told_apart_whatever_is_in_them(world: World) -> None:
    # Files are asked which keys they have by text, in which each of these could end another.
    keys = [
        "a, b",
        "a",
        " b",
        "it's",
        '"',
        "[x]",
        "{y}",
        "back\\slash",
        "NULL",
        "",
        "line\nend",
        "é",
    ]
    for n in range(1, len(keys)):
        world.write_json(
            f"products/{n:02d}.ndjson", [{"product_id": n, keys[n]: 1, keys[n - 1]: 1}]
        )
    world.load()
    named = world.column("select unknown_columns from raw.loaded_files order by path")
    assert [json.loads(text) for text in named] == [
        sorted(keys[n - 1 : n + 1]) for n in range(1, len(keys))
    ]


def test_unknown_columns_are_left_out_and_named_once(world: World) -> None:
    world.write("consents/a.csv", CONSENTS_HEADER.strip() + ",form\n" + ADA.strip() + ",f1\n")
    world.write_json("consents/b.ndjson", [consent(form="f2"), consent(shop="s")])
    cells = {name: [value] for name, value in consent(Form="f3").items()}
    world.write_parquet("consents/c.parquet", cells)
    report = world.load()
    assert [column.message for column in report.unknown_columns] == [
        "consents: the contract does not know the column form, which is left out (3 files)",
        "consents: the contract does not know the column shop, which is left out (1 file)",
    ]
    assert world.rows("select path, unknown_columns from raw.loaded_files order by 1") == [
        ("consents/a.csv", '["form"]'),
        ("consents/b.ndjson", '["form", "shop"]'),
        ("consents/c.parquet", '["Form"]'),
    ]


def test_keys_that_are_data_are_named_a_hundred_times_not_more(world: World) -> None:
    rows = [consent(email=f"p{n}@example.com", **{f"order {n:03}": 1}) for n in range(250)]
    world.write_json("consents/a.ndjson", rows)
    report = world.load()
    assert report.tables["consents"].rows_loaded == 250
    assert [column.column for column in report.unknown_columns] == [
        f"order {n:03}" for n in range(100)
    ]


def test_a_key_that_holds_an_address_is_not_repeated(world: World) -> None:
    world.write_json("consents/a.ndjson", [consent(**{"bo@example.com": 1})])
    report = world.load()
    assert [column.column for column in report.unknown_columns] == ["(a name with an @)"]


def test_ten_thousand_small_files_are_a_matter_of_seconds(world: World) -> None:
    for n in range(10_000):
        world.write(f"consents/{n % 10}/{n}.csv", CONSENTS_HEADER + ADA)
    report = world.load()
    assert report.tables["consents"].files_loaded == 10_000
    assert world.rows("select count(*), count(distinct _file), max(_row) from raw.consents") == [
        (10_000, 10_000, 1)
    ]
    assert world.load().tables["consents"].files_loaded == 0


def test_long_values_are_values(world: World) -> None:
    address = "a" * 10_000 + "@example.com"
    text = "x" * 18_000_000
    world.write("consents/a.csv", CONSENTS_HEADER + ADA.replace("ada@example.com", address))
    world.write_json("consents/b.ndjson", [consent(source=text), consent()])
    report = world.load()
    assert not report.problems
    assert world.column("select email from raw.consents where _file = 'consents/a.csv'") == [
        address
    ]
    assert world.column("select max(length(source)) from raw.consents") == [18_000_000]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n", "\ufeff\r\n"])
def test_line_ends_and_byte_order_marks_are_no_content(world: World, end: str, start: str) -> None:
    rows = (CONSENTS_HEADER + ADA + BO).replace("\n", end)
    world.write("consents/a.csv", start + rows)
    world.write("consents/b.csv", start + rows + CY)
    world.write_json("consents/c.ndjson", [consent(), consent()])
    lines = (world.landing / "consents/c.ndjson").read_text().replace("\n", end)
    world.write("consents/c.ndjson", start + lines)
    report = world.load()
    assert not report.problems
    assert world.rejected() == []
    assert world.rows(
        "select _file, max(_row), count(*) from raw.consents group by 1 order by 1"
    ) == [
        ("consents/a.csv", 2, 2),
        ("consents/b.csv", 3, 3),
        ("consents/c.ndjson", 2, 2),
    ]
    assert world.column("select distinct source from raw.consents") == [None]
    assert world.column("select distinct right(purpose, 1) from raw.consents") == ["g"]


def test_a_missing_landing_folder_is_an_error_with_a_way_out(world: World) -> None:
    with pytest.raises(NotADirectoryError, match="make it, or name another one with --landing"):
        load(world.warehouse, world.landing / "nowhere", LOADED_AT)


def test_an_empty_landing_folder_makes_empty_tables(world: World) -> None:
    report = world.load()
    assert report.missing_folders == tuple(TABLES)
    assert [world.column(f"select count(*) from raw.{table}") for table in TABLES] == [[0]] * 9
