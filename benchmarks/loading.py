"""The loader beside DuckDB's bare `create table as` over the same files, format by format."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from benchmarks.timing import BenchmarkError, Spread, Timing, stopwatch
from benchmarks.workshop import Shop, Tell
from ingestion.contract import TABLES
from ingestion.loader import load
from orchestration.database import open_warehouse

FILES: Final = 12

# How DuckDB writes and reads each format by itself; {} are the files.
_WRITTEN: Final = {
    "parquet": "format parquet",
    "csv": "format csv, header",
    "ndjson": "format json",
}
_READ: Final = {
    "parquet": "read_parquet('{}')",
    "csv": "read_csv('{}')",
    "ndjson": "read_ndjson('{}')",
}


@dataclass(frozen=True)
class Loading:
    """Both ways to load the same email events; speeds are of the loader, 1 is that of DuckDB."""

    file_format: str
    rows: int
    megabytes: float
    loader: Spread
    bare: Spread
    speed: Spread
    cpu_speed: Spread


def measure(shop: Shop, folder: Path, repeats: int, tell: Tell) -> Iterator[Loading]:
    """Yield each format's figures; `shop` has been run, and `folder` does not exist yet."""
    for file_format in _WRITTEN:
        tell(f"loader: writing email events as {file_format}")
        landing = folder / "landing"
        rows = _write(shop.warehouse, landing / "email_events", file_format)
        files = list((landing / "email_events").iterdir())
        pairs = []
        for repeat in range(repeats):
            tell(f"loader: {file_format}, {repeat + 1} of {repeats}")
            pairs.append(
                (
                    _time_loader(folder / "loaded.duckdb", landing, shop.as_of, rows),
                    _time_bare(folder / "bare.duckdb", landing / "email_events", file_format),
                )
            )
        yield Loading(
            file_format,
            rows,
            sum(file.stat().st_size for file in files) / 1e6,
            loader=Spread.of([loader.wall_seconds for loader, _ in pairs]),
            bare=Spread.of([bare.wall_seconds for _, bare in pairs]),
            speed=Spread.of([bare.wall_seconds / loader.wall_seconds for loader, bare in pairs]),
            cpu_speed=Spread.of([bare.cpu_seconds / loader.cpu_seconds for loader, bare in pairs]),
        )
        shutil.rmtree(folder)


def _write(warehouse: Path, folder: Path, file_format: str) -> int:
    """Write the email events of a warehouse as files of one format and return their number."""
    folder.mkdir(parents=True)
    columns = ", ".join(f'"{name}"' for name in TABLES["email_events"].column_names)
    with closing(open_warehouse(warehouse, read_only=True)) as connection:
        ((rows,),) = connection.execute("select count(*) from raw.email_events").fetchall()
        for part in range(FILES):
            first, last = rows * part // FILES, rows * (part + 1) // FILES
            connection.execute(
                f"copy (select {columns} from raw.email_events "
                f"where rowid >= {first} and rowid < {last}) "
                f"to '{folder}/part-{part:02d}.{file_format}' ({_WRITTEN[file_format]})"
            )
    return int(rows)


def _time_loader(warehouse: Path, landing: Path, loaded_at: datetime, rows: int) -> Timing:
    with stopwatch() as timing, closing(open_warehouse(warehouse)) as connection:
        report = load(connection, landing, loaded_at)
        connection.execute("checkpoint")
    loaded = report.tables["email_events"].rows_loaded
    if report.problems or loaded != rows:
        raise BenchmarkError(f"the loader took {loaded:,} of {rows:,} rows of {landing}")
    _remove(warehouse)
    return timing


def _time_bare(warehouse: Path, folder: Path, file_format: str) -> Timing:
    files = _READ[file_format].format(f"{folder}/*")
    with stopwatch() as timing, closing(open_warehouse(warehouse)) as connection:
        connection.execute(f"create table email_events as select * from {files}")
        connection.execute("checkpoint")
    _remove(warehouse)
    return timing


def _remove(warehouse: Path) -> None:
    for file in warehouse.parent.glob(f"{warehouse.name}*"):
        file.unlink()
