"""The rules that people write, each tried alone, so that a mistake has a name."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import duckdb

from expectations.gate import without_addresses

_TRIALS = {
    "rule": "select count(*) from (select ({}\n) as value from marts.profile_signals) where value",
    "attribute": "select count(value) from (select ({}\n) as value from marts.profile_signals)",
}


def find_segment_mistakes(
    connection: duckdb.DuckDBPyConnection, segments: Iterable[Mapping[str, str]]
) -> Iterator[str]:
    """Yield a sentence for every rule or attribute of a segment that the database refuses.

    They are tried on the signals of the last build; where there are none, nothing is known.
    """
    is_built = connection.execute(
        "select 1 from information_schema.tables where table_catalog = current_catalog()"
        " and table_schema = 'marts' and table_name = 'profile_signals'"
    ).fetchone()
    if not is_built:
        return
    for segment in segments:
        for key, trial in _TRIALS.items():
            expression = segment.get(key)
            if expression is None:
                continue
            try:
                connection.execute(trial.format(expression))
            except duckdb.Error as error:
                yield (
                    f"dbt_project.yml: the {key} of the segment {segment['name']} does not work: "
                    f"{_tell(error)}; it is {' '.join(expression.split())!r}"
                )


def find_pattern_mistakes(seed: Path) -> Iterator[str]:
    """Yield a sentence for every pattern of a user agent that is no regular expression.

    Raises `OSError` or `UnicodeDecodeError` where the seed cannot be read.
    """
    with (
        duckdb.connect() as connection,
        seed.open(encoding="utf-8", newline="") as file,
    ):
        rows = csv.DictReader(file)
        for row in rows:
            pattern = row.get("pattern") or ""
            try:
                connection.execute("select regexp_matches('', ?)", [pattern])
            except duckdb.Error as error:
                yield (
                    f"the seed {seed.name}, line {rows.line_num}: the pattern "
                    f"{pattern!r} is no regular expression: {_tell(error)}"
                )


def _tell(error: duckdb.Error) -> str:
    """Return the database's own words, without the place in our trial."""
    return without_addresses(" ".join(str(error).partition("\n\nLINE ")[0].split()))
