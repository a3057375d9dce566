"""NDJSON: one object a line, found by its keys in any spelling and order."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from ingestion import lines
from ingestion.contract import Table
from ingestion.landing import LandingFile
from ingestion.lines import MARK
from ingestion.staging import (
    UNKNOWN_COLUMNS_NAMED,
    Cell,
    Flaw,
    Refusal,
    Source,
    find_missing_column,
    fold_name,
)
from ingestion.values import quote, quote_text

_BROKEN_LINES: Final = (
    Flaw("not json_valid(line)", "the line is not JSON"),
    Flaw("json_type(line) <> 'OBJECT'", "the line is not a JSON object"),
)

# A key as `staging.fold_name` folds it; of rare letters it may fold more, and Python decides.
_FOLDED: Final = "lower(trim(key, ' ' || chr(9) || chr(10) || chr(13) || chr(65279)))"


def describe(
    connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[LandingFile]
) -> tuple[list[Source], list[Refusal]]:
    """Describe files, all gzip or none, as one source; refuse those without a required key."""
    settings = lines.make_settings(is_gzip=files[0].is_gzip)
    return _describe(connection, table, files, lines.escape_names(files), settings, ())


def describe_mended(
    connection: duckdb.DuckDBPyConnection, table: Table, file: LandingFile, copy: str
) -> Source | Refusal:
    """Describe the mended copy of a file that could not be read as it is."""
    settings = lines.make_settings(is_gzip=False, max_line_bytes=lines.MAX_MENDED_LINE_BYTES)
    no_text = Flaw(f"contains(line, {quote_text(MARK)})", "the line has bytes that are not UTF-8")
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
    relation = lines.select_lines(settings)
    known = set(table.column_names)
    found = _read_keys(connection, relation, paths, known)
    refusals = {}
    for index, file in enumerate(files):
        present = {fold_name(key) for key in found.by_file.get(index, ())}
        complaint = find_missing_column(table, present) if present else None
        if complaint:
            refusals[index] = Refusal(file, complaint)
    kept = [index for index in range(len(files)) if index not in refusals]
    if not kept:
        return [], list(refusals.values())
    keys_kept = [found.by_file.get(index, []) for index in kept]
    spellings: dict[str, list[str]] = {}
    for key in dict.fromkeys(key for keys in keys_kept for key in keys):
        if fold_name(key) in known:
            spellings.setdefault(fold_name(key), []).append(key)
    relation, parameters, cells = _take_apart(table, relation, spellings)
    source = Source(
        files=tuple(files[index] for index in kept),
        relation=relation,
        paths=tuple(paths[index] for index in kept),
        parameters=parameters,
        cells=cells,
        row_text=f"replace(line, {quote_text(MARK)}, '')",
        unknown_columns=tuple(
            tuple(sorted(key for key in keys if fold_name(key) not in known)) for keys in keys_kept
        ),
        flaws=(*flaws, *_flag_repetitions(known & found.repeated)),
        explanations=(*flaws, *_BROKEN_LINES),
    )
    return [source], list(refusals.values())


@dataclass(frozen=True)
class _Keys:
    """The keys in files of objects.

    `by_file`, by the file's place, has every key that may spell a column of the contract and the
    first of the others; `repeated` are the names that stand twice in some line, however spelled.
    """

    by_file: Mapping[int, Sequence[str]]
    repeated: frozenset[str]


def _read_keys(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    paths: Sequence[str],
    known: Collection[str],
) -> _Keys:
    """Read which keys the lines of each file have.

    Where every line has keys of its own, millions of them stay in the database. They are told
    apart as text, which is faster than as lists and comes back the same.
    """
    rows = connection.execute(
        f"""
        with shapes as materialized (
            select file_index, shape::varchar[] as keys
            from (
                select distinct file_index, try(json_keys(line))::varchar as shape
                from {relation}
            )
        ),
        named as (
            select file_index, key, list_contains($known, {_FOLDED}) as is_known
            from (select distinct file_index, unnest(keys) as key from shapes)
        ),
        ranked as (
            select
                file_index,
                key,
                is_known,
                row_number() over (partition by file_index, is_known order by key) as place
            from named
        ),
        folded as (
            select list_transform(keys, lambda key: {_FOLDED}) as names from shapes
        ),
        repeated as (
            select distinct unnest(
                list_filter(
                    list_distinct(names),
                    lambda name: len(list_filter(names, lambda other: other = name)) > 1
                )
            ) as name
            from folded
            where len(list_distinct(names)) < len(names)
        )
        select file_index, key from ranked where is_known or place <= $unknown_at_most
        union all
        select null, name from repeated where list_contains($known, name)
        """,
        {"paths": paths, "known": list(known), "unknown_at_most": UNKNOWN_COLUMNS_NAMED},
    ).fetchall()
    by_file: dict[int, list[str]] = {}
    for index, key in rows:
        if index is not None:
            by_file.setdefault(index, []).append(key)
    return _Keys(
        {index: sorted(keys) for index, keys in by_file.items()},
        frozenset(name for index, name in rows if index is None),
    )


def _take_apart(
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
            found = [f"object_{n}.{quote(key)}" for n, key in enumerate(spellings[column.name])]
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


def _flag_repetitions(names: Collection[str]) -> Iterator[Flaw]:
    """Yield a flaw for each column that stands twice in some line, in whatever spelling."""
    for name in sorted(names):
        yield Flaw(
            "len(list_filter(coalesce(try(json_keys(line)), []), "
            f"lambda key: {_FOLDED} = {quote_text(name)})) > 1",
            f"{name} stands more than once",
        )
