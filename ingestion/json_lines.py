"""NDJSON: one object a line, found by its keys in any spelling and order."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import duckdb

from ingestion import lines
from ingestion.contract import Table
from ingestion.landing import LandingFile
from ingestion.lines import MARK
from ingestion.staging import Cell, Flaw, Refusal, Source, column_name, missing_columns
from ingestion.values import literal, quoted

_BROKEN_LINES: Final = (
    Flaw("not json_valid(line)", "the line is not JSON"),
    Flaw("json_type(line) <> 'OBJECT'", "the line is not a JSON object"),
)


def sources(
    connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[LandingFile]
) -> tuple[list[Source], list[Refusal]]:
    """Describe files, all gzip or none, as one source; refuse those without a required key."""
    settings = lines.reader_settings(is_gzip=files[0].is_gzip)
    return _describe(connection, table, files, lines.names(files), settings, ())


def mended_source(
    connection: duckdb.DuckDBPyConnection, table: Table, file: LandingFile, copy: str
) -> Source | Refusal:
    """Describe the mended copy of a file that could not be read as it is."""
    settings = lines.reader_settings(is_gzip=False, max_line_bytes=lines.MAX_MENDED_LINE_BYTES)
    no_text = Flaw(f"contains(line, {literal(MARK)})", "the line has bytes that are not UTF-8")
    found, refusals = _describe(connection, table, [file], [copy], settings, (no_text,))
    return found[0] if found else refusals[0]


def _describe(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    files: Sequence[LandingFile],
    paths: Sequence[str],
    settings: str,
    flaws: tuple[Flaw, ...],
) -> tuple[list[Source], list[Refusal]]:
    relation = lines.relation(settings)
    shapes = _shapes(connection, relation, paths)
    refusals = {}
    for index, file in enumerate(files):
        present = {column_name(key) for shape in shapes.get(index, ()) for key in shape}
        complaint = missing_columns(table, present) if present else None
        if complaint:
            refusals[index] = Refusal(file, complaint)
    kept = [index for index in range(len(files)) if index not in refusals]
    if not kept:
        return [], list(refusals.values())
    shapes_kept = [shapes.get(index, []) for index in kept]
    all_shapes = [shape for found in shapes_kept for shape in found]
    known = set(table.column_names)
    spellings: dict[str, list[str]] = {}
    for key in dict.fromkeys(key for shape in all_shapes for key in shape):
        if column_name(key) in known:
            spellings.setdefault(column_name(key), []).append(key)
    relation, parameters, cells = _objects(table, relation, spellings)
    source = Source(
        files=tuple(files[index] for index in kept),
        relation=relation,
        paths=tuple(paths[index] for index in kept),
        parameters=parameters,
        cells=cells,
        row_text=f"replace(line, {literal(MARK)}, '')",
        unknown_columns=tuple(
            tuple(
                sorted({key for shape in found for key in shape if column_name(key) not in known})
            )
            for found in shapes_kept
        ),
        flaws=(*flaws, *_repetitions(known, all_shapes)),
        explanations=(*flaws, *_BROKEN_LINES),
    )
    return [source], list(refusals.values())


def _shapes(
    connection: duckdb.DuckDBPyConnection, relation: str, paths: Sequence[str]
) -> dict[int, list[list[str]]]:
    """Return the distinct lists of keys of each file's lines; no object, no keys."""
    shapes: dict[int, list[list[str]]] = {}
    for index, keys in connection.execute(
        f"select distinct file_index, to_json(try(json_keys(line)))::varchar from {relation}",
        {"paths": paths},
    ).fetchall():
        if keys:
            shapes.setdefault(index, []).append(json.loads(keys))
    return shapes


def _objects(
    table: Table, relation: str, spellings: Mapping[str, Sequence[str]]
) -> tuple[str, dict[str, str], dict[str, Cell]]:
    """Return the relation with its lines taken apart, its parameters, and where cells are.

    A struct cannot have two keys that differ by case alone, so the n-th spelling of every
    column makes the n-th struct; nearly always there is one.
    """
    depth = max((len(keys) for keys in spellings.values()), default=0)
    structs, parameters = [], {}
    for n in range(depth):
        keys = {spelling[n]: "VARCHAR" for spelling in spellings.values() if n < len(spelling)}
        parameters[f"keys_{n}"] = json.dumps({**keys, _literal_numbers(keys): "DECIMAL(1,0)"})
        structs.append(f"try(json_transform(line, $keys_{n})) as object_{n}")
    cells = {}
    for column in table.columns:
        if column.name in spellings:
            found = [f"object_{n}.{quoted(key)}" for n, key in enumerate(spellings[column.name])]
            cells[column.name] = Cell(
                f"coalesce({', '.join(found)})" if len(found) > 1 else found[0],
                "JSON" if column.type == "json" else "VARCHAR",
            )
    objects = f"(select {', '.join(['line', 'file_index', *structs])} from {relation})"
    return objects, parameters, cells


def _literal_numbers(keys: Collection[str]) -> str:
    """Return a key that no line has.

    Asked for as a decimal, it makes DuckDB keep the digits of all numbers as they are written;
    without it 12345678901234567.89 comes as the text of a binary float. A test tells should
    that end.
    """
    name = "digits as written"
    while name.lower() in {key.lower() for key in keys}:
        name += " "
    return name


def _repetitions(known: Collection[str], shapes: Sequence[Sequence[str]]) -> Iterator[Flaw]:
    """Yield a flaw for each column that stands twice in some line, in whatever spelling."""
    counts = [Counter(map(column_name, shape)) for shape in shapes]
    for name in sorted({name for count in counts for name, n in count.items() if n > 1}):
        if name in known:
            folded = "lower(trim(key))"
            yield Flaw(
                "len(list_filter(coalesce(try(json_keys(line)), []), "
                f"lambda key: {folded} = {literal(name)})) > 1",
                f"{name} stands more than once",
            )
