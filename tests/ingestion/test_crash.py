"""A load that is killed, or that the machine gives out under, loses and doubles nothing."""

import gzip
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion.contract import TABLES
from ingestion.loader import load
from tests.ingestion.conftest import LOADED_AT

LOAD = """
import sys
from datetime import datetime
from pathlib import Path
import duckdb
from ingestion.loader import LoadStopped, load
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
try:
    load(connection, Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3]))
except LoadStopped as stop:
    print(stop, flush=True)
    sys.exit(1)
"""


def start(warehouse: Path, landing: Path, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", LOAD, str(warehouse), str(landing), LOADED_AT.isoformat()]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def fill(landing: Path) -> None:
    """Write some hundred files of every format, a few with rows or lines that are broken."""
    for folder in ("consents", "products", "email_events"):
        (landing / folder).mkdir(parents=True)
    for n in range(120):
        line = f"p{n}@example.com,profiling,{'granted' if n % 7 else 'perhaps'},2024-01-01\n"
        broken = "one,too,many,fields,here\n" if n % 11 == 0 else ""
        text = "email,purpose,status,recorded_at\n" + line * 50 + broken
        (landing / f"consents/{n}.csv").write_text(text)
    for n in range(60):
        rows = [{"product_id": f"p{n}-{m}", "name": "tea " * 20} for m in range(200)]
        lines = "".join(json.dumps(row) + "\n" for row in rows) + ("{" if n % 5 == 0 else "")
        (landing / f"products/{n}.ndjson.gz").write_bytes(gzip.compress(lines.encode()))
    connection = duckdb.connect()
    for n in range(12):
        connection.execute(
            "copy (select 'e' || i as event_id, 'open' as event_type, "
            "timestamp '2024-01-01' + to_seconds(i) as occurred_at, "
            "case when i % 999 > 0 then 'p' || i || '@example.com' end as email, "
            f"md5(i::text) as url from range({n * 50_000}, {n * 50_000 + 50_000}) as t(i)) "
            f"to '{landing}/email_events/{n}.parquet' (format parquet)"
        )


def contents(warehouse: Path) -> dict[str, list[tuple[Any, ...]]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return {
            name: connection.execute(
                f"select md5(string_agg(t::text, chr(10) order by t::text)), count(*) "
                f"from (select * exclude (size_bytes, modified_at) from raw.{name}) as t"
                if name == "loaded_files"
                else f"select md5(string_agg(t::text, chr(10) order by t::text)), count(*) "
                f"from raw.{name} as t"
            ).fetchall()
            for name in (*TABLES, "rejected_rows", "loaded_files")
        }


@pytest.mark.slow
def test_a_load_killed_again_and_again_ends_like_one_that_ran_through(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    fill(landing)
    clean = tmp_path / "clean.duckdb"
    began = time.monotonic()
    process = start(clean, landing)
    assert process.stdout
    process.stdout.readline()
    opened = time.monotonic() - began
    assert process.wait() == 0
    duration = time.monotonic() - began - opened

    killed = tmp_path / "killed.duckdb"
    random_source = random.Random(7)
    kills = 0
    for _ in range(30):
        process = start(killed, landing)
        assert process.stdout
        process.stdout.readline()
        # Mostly early, so that the load needs many starts to get through.
        try:
            process.wait(timeout=random_source.uniform(0, duration / 3))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    assert kills >= 10
    process = start(killed, landing)
    assert process.wait() == 0
    assert contents(killed) == contents(clean)
    assert contents(clean)["email_events"][0][1] == 12 * 50_000 - 601


def test_a_full_disk_is_said_in_a_sentence_and_the_rest_is_loaded_when_there_is_room(
    tmp_path: Path,
) -> None:
    landing = tmp_path / "landing"
    (landing / "products").mkdir(parents=True)
    for n in range(4):
        lines = [f"{n}-{m},{os.urandom(60).hex()}\n" for m in range(20_000)]
        (landing / f"products/{n}.csv").write_text("product_id,name\n" + "".join(lines))
    warehouse = tmp_path / "warehouse.duckdb"
    limit = 4 << 20
    process = start(
        warehouse,
        landing,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    output, _ = process.communicate()
    assert process.returncode == 1, output
    assert "the disk of the warehouse or of its temporary files is full" in output
    with duckdb.connect(str(warehouse)) as connection:
        report = load(connection, landing, LOADED_AT)
        assert not report.problems
        loaded = connection.execute("select count(*), count(distinct product_id) from raw.products")
        assert loaded.fetchall() == [(80_000, 80_000)]
        assert connection.execute("select count(*) from raw.loaded_files").fetchall() == [(4,)]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_a_file_larger_than_the_memory_is_loaded(tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "landing" / "products"
    folder.mkdir(parents=True)
    # The reader itself needs room for a row group in every thread.
    options = {"parquet": "format parquet, row_group_size 20480"}.get(ending, f"format {ending}")
    name = {"json": "a.ndjson"}.get(ending, f"a.{ending}")
    duckdb.connect().execute(
        "copy (select n as product_id, md5(n::text) || repeat('x', 200) || n as name, "
        "repeat(sha256(n::text), 4) as description from range(600_000) as t(n)) "
        f"to '{folder}/{name}' ({options})"
    )
    settings = {"memory_limit": "200MB", "threads": 2}
    with duckdb.connect(str(tmp_path / "w.duckdb"), config=settings) as connection:
        report = load(connection, tmp_path / "landing", LOADED_AT)
        assert not report.problems
        assert report.tables["products"].rows_loaded == 600_000
        assert connection.execute(
            "select count(*) from raw.products where product_id::bigint <> _row - 1"
        ).fetchall() == [(0,)]


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "landing" / "products"
    folder.mkdir(parents=True)
    header = "product_id,name\n"
    growing = folder / "growing.csv"
    growing.write_text(header + "p1,tea\n" * 300_000)
    (folder / "still.csv").write_text(header + "p2,mug\n")
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\nwith open(sys.argv[1], 'a') as f:\n"
            "    print('on', flush=True)\n"
            "    while True: f.write('p1,tea\\n'); f.flush(); time.sleep(0.001)",
            str(growing),
        ],
        stdout=subprocess.PIPE,
    )
    connection = duckdb.connect()
    try:
        assert writer.stdout
        writer.stdout.readline()
        report = load(connection, tmp_path / "landing", LOADED_AT)
    finally:
        writer.kill()
        writer.wait()
    assert [problem.path for problem in report.problems] == ["products/growing.csv"]
    assert "let it come to rest" in report.problems[0].message
    names = connection.execute("select product_id from raw.products").fetchall()
    assert names == [("p2",)]
    assert not load(connection, tmp_path / "landing", LOADED_AT).problems
    lines = growing.read_text().count("\n") - 1
    assert connection.execute("select count(*) from raw.products").fetchall() == [(lines + 1,)]
