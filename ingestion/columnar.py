"""Parquet: columns with types of their own, most of which need no detour over text."""

from collections.abc import Iterator, Sequence

import duckdb

from ingestion import lines
from ingestion.contract import Table
from ingestion.landing import LandingFile
from ingestion.staging import (
    Cell,
    Refusal,
    Source,
    find_missing_column,
    find_repeated_column,
    fold_name,
)
from ingestion.values import quote, quote_text

# One place for a file's columns as (name, everything the file says of the type).
_Shape = tuple[tuple[object, ...], ...]

# Names that DuckDB's reader gives to what it knows of a row; a column of that name hides it.
_VIRTUAL = frozenset({"file_index", "filename", "file_row_number"})


def describe(
    connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[LandingFile]
) -> tuple[list[Source], list[Refusal]]:
    """Describe files as one source per shape; refuse those without a required column.

    Raises `duckdb.Error` if any of them is no Parquet file.
    """
    by_shape: dict[tuple[_Shape, int], list[LandingFile]] = {}
    shapes = _read_shapes(connection, lines.escape_names(files))
    for index, file in enumerate(files):
        shape = shapes[str(file.location.absolute())]
        is_alone = any(fold_name(str(row[0])) in _VIRTUAL for row in shape)
        by_shape.setdefault((shape, index if is_alone else -1), []).append(file)
    found: list[Source] = []
    refusals: list[Refusal] = []
    for (shape, _), alike in by_shape.items():
        headings = list(_read_headings(shape))
        present = [fold_name(heading) for heading in headings]
        complaint = find_repeated_column(table, present) or find_missing_column(table, present)
        if complaint:
            refusals += [Refusal(file, complaint) for file in alike]
        else:
            found.append(_describe_alike(connection, table, alike, headings))
    return found, refusals


def _describe_alike(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    files: Sequence[LandingFile],
    headings: Sequence[str],
) -> Source:
    paths = lines.escape_names(files)
    reader = "read_parquet($paths, hive_partitioning=false, binary_as_string=true)"
    described = connection.execute(
        f"describe select * from {reader}", {"paths": paths[:1]}
    ).fetchall()
    # DuckDB renames columns that differ by case alone; their order is that of the file.
    columns = [
        (heading, f"c{n}", name, physical_type)
        for n, (heading, (name, physical_type, *_)) in enumerate(
            zip(headings, described, strict=True)
        )
    ]
    known = set(table.column_names)
    index = "0::ubigint as file_index" if len(files) == 1 else "file_index"
    selected = ", ".join(f"{quote(name)} as {alias}" for _, alias, name, _ in columns)
    fields = ", ".join(f"{quote_text(heading)}, {alias}" for heading, alias, _, _ in columns)
    unknown = tuple(sorted({h for h in headings if fold_name(h) not in known}))
    return Source(
        files=tuple(files),
        relation=f"(select {selected}, {index} from {reader})",
        paths=tuple(paths),
        parameters={},
        cells={
            fold_name(heading): Cell(alias, physical_type)
            for heading, alias, _, physical_type in columns
            if fold_name(heading) in known
        },
        row_text=f"json_object({fields})::varchar",
        unknown_columns=(unknown,) * len(files),
    )


def _read_shapes(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> dict[str, _Shape]:
    rows = connection.execute(
        "select file_name, name, num_children, type, type_length, converted_type, "
        "logical_type, repetition_type from parquet_schema($paths)",
        {"paths": paths},
    ).fetchall()
    shapes: dict[str, list[tuple[object, ...]]] = {}
    for file_name, *row in rows:
        shapes.setdefault(file_name, []).append(tuple(row))
    return {name: tuple(rows) for name, rows in shapes.items()}


def _read_headings(shape: _Shape) -> Iterator[str]:
    """Yield the names of a file's columns; what is nested in them is left out."""
    rows = iter(shape)
    top = next(rows)
    for _ in range(int(str(top[1] or 0))):
        row = next(rows)
        yield str(row[0])
        nested = int(str(row[1] or 0))
        while nested:
            nested += int(str(next(rows)[1] or 0)) - 1
