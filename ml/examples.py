"""Rows of a feature table, as the arrays that a model reads.

Which rows, and in which order, depends on what the rows say and never on the order they come in:
the same table gives the same model, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.instants import to_microseconds
from ml.params import ColumnParams, TargetParams

Matrix = npt.NDArray[np.float32]
Times = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

# What the orchestration hands in: pyarrow.Table or pyarrow.RecordBatchReader (untyped upstream).
FeatureRows: TypeAlias = "pa.Table | pa.RecordBatchReader"


class FeaturesError(ValueError):
    """A feature table that cannot be used; the message names the column and the way out."""


@dataclass(frozen=True)
class Examples:
    """Labelled rows by rising time, then by the hash of their key.

    `features` is rows × `feature_names` (float32, NaN where unknown), `labels` booleans, `times`
    microseconds since 1970 UTC, `keys` and `profiles` md5 hashes cut to 64 bits. `rows_known`
    counts the labelled rows before sampling.
    """

    feature_names: tuple[str, ...]
    features: Matrix
    labels: Flags
    times: Times
    keys: Hashes
    profiles: Hashes
    rows_known: int

    def fingerprint(self) -> str:
        """Return the sha256 of all values: equal for the same rows in any order."""
        digest = hashlib.sha256("\n".join(self.feature_names).encode())
        for values in (self.features, self.labels, self.times, self.keys, self.profiles):
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()

    def select_columns(self, names: Sequence[str], rows: npt.NDArray[np.int64]) -> Matrix | None:
        """Return the features `names` of `rows`, or None where one of them is not there."""
        position = {name: index for index, name in enumerate(self.feature_names)}
        if not set(names) <= set(position):
            return None
        subset: Matrix = self.features[np.ix_(rows, np.array([position[name] for name in names]))]
        return subset


def read_examples(rows: FeatureRows, params: TargetParams, *, as_of: datetime) -> Examples:
    """Read the rows whose label is known at `as_of`, at most `params.sample.rows` of them.

    `rows` is read once, batch by batch; memory holds twice the sample at most. A label counts as
    known when it is not null and `time` + horizon lies at or before `as_of`. If there are more
    rows than the sample may hold, those whose key has the smallest md5 stay, so that the sample
    of tomorrow is nearly that of today; no two rows share a key. Every numeric or boolean column
    that `params` names neither as a column nor under `leave_out` is a feature. Raises
    `FeaturesError`.
    """
    columns = params.columns
    needed = {columns.profile, columns.time, columns.label, *columns.key}
    _require_columns(rows.schema, needed, "train on")
    names = find_features(rows.schema, params)
    if not names:
        raise FeaturesError(
            f"the rows to train on have no feature: none of {', '.join(rows.schema.names)} is "
            "numeric or boolean and no key"
        )
    latest = to_microseconds(as_of) - params.horizon_hours * 3_600_000_000

    kept = [_no_examples(len(names))]
    held = rows_known = 0
    largest_key = np.uint64(np.iinfo(np.uint64).max)
    with duckdb.connect() as connection:
        for batch in _batches(rows):
            labels = batch.column(columns.label)
            times = _times(batch, columns.time)
            known = labels.is_valid().to_numpy(zero_copy_only=False) & (times <= latest)
            rows_known += int(known.sum())
            keys = _hash(connection, batch, columns.key)
            chosen = known & (keys <= largest_key)
            part = batch.filter(pa.array(chosen))
            kept.append(
                _Chunk(
                    features=build_matrix(part, names),
                    labels=_label_values(part.column(columns.label), columns.label),
                    times=times[chosen],
                    keys=keys[chosen],
                    profiles=_hash(connection, part, (columns.profile,)),
                )
            )
            held += part.num_rows
            if held > 2 * params.sample.rows:
                kept, largest_key = _smallest_keys(kept, params.sample.rows)
                held = len(kept[0].keys)
    kept, _ = _smallest_keys(kept, params.sample.rows)
    chunk = kept[0]
    order = np.lexsort((chunk.profiles, chunk.keys, chunk.times))
    return Examples(
        feature_names=names,
        features=chunk.features[order],
        labels=chunk.labels[order],
        times=chunk.times[order],
        keys=chunk.keys[order],
        profiles=chunk.profiles[order],
        rows_known=rows_known,
    )


@dataclass(frozen=True)
class RowsToScore:
    """A batch of rows to score: who, when, and the features a model was trained on."""

    profiles: pa.Array
    scored_at: pa.Array
    features: Matrix


def read_rows_to_score(
    rows: FeatureRows, names: Sequence[str], columns: ColumnParams
) -> Iterator[RowsToScore]:
    """Read the columns `names` of the rows to score, batch by batch, in the order they come.

    Columns that no model asked for are ignored. Raises `FeaturesError` where one of `names`, the
    profile or the time is missing, before the first batch.
    """
    _require_columns(rows.schema, {columns.profile, columns.scored_at}, "score")
    absent = [name for name in names if name not in rows.schema.names]
    if absent:
        raise FeaturesError(
            f"the rows to score lack {', '.join(absent)}, which the model was trained on: "
            "bring the column back, or train a new model (mailmart train)"
        )
    return (_read_batch_to_score(batch, names, columns) for batch in _batches(rows))


def _read_batch_to_score(
    batch: pa.RecordBatch, names: Sequence[str], columns: ColumnParams
) -> RowsToScore:
    for name in (columns.profile, columns.scored_at):
        if batch.column(name).null_count:
            raise FeaturesError(f"a row to score has no {name}")
    return RowsToScore(
        profiles=batch.column(columns.profile).cast(pa.string()),
        scored_at=_timestamps(batch.column(columns.scored_at), columns.scored_at),
        features=build_matrix(batch, names),
    )


def find_features(schema: pa.Schema, params: TargetParams) -> tuple[str, ...]:
    """Return the feature columns of `schema`, in alphabetical order."""
    columns = params.columns
    no_feature = {columns.profile, columns.time, columns.label, columns.scored_at, *columns.key}
    return tuple(
        sorted(
            field.name
            for field in schema
            if field.name not in no_feature
            and _is_numeric(field.type)
            and not any(fnmatchcase(field.name, pattern) for pattern in params.leave_out)
        )
    )


def build_matrix(batch: pa.RecordBatch, names: Sequence[str]) -> Matrix:
    """Return the columns `names` as float32, NaN for null. Raises `FeaturesError` on infinity."""
    matrix = np.empty((batch.num_rows, len(names)), dtype=np.float32)
    for position, name in enumerate(names):
        column = batch.column(name)
        if not (_is_numeric(column.type) or pa.types.is_null(column.type)):
            raise FeaturesError(f"the feature {name} is {column.type}, not a number")
        values = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            matrix[:, position] = values
        if np.isinf(matrix[:, position]).any():
            raise FeaturesError(
                f"the feature {name} is infinite in at least one row: "
                "guard its division against zero where the feature is built"
            )
    return matrix


@dataclass(frozen=True)
class _Chunk:
    features: Matrix
    labels: Flags
    times: Times
    keys: Hashes
    profiles: Hashes


def _no_examples(feature_count: int) -> _Chunk:
    return _Chunk(
        features=np.empty((0, feature_count), dtype=np.float32),
        labels=np.empty(0, dtype=np.bool_),
        times=np.empty(0, dtype=np.int64),
        keys=np.empty(0, dtype=np.uint64),
        profiles=np.empty(0, dtype=np.uint64),
    )


def _smallest_keys(chunks: list[_Chunk], count: int) -> tuple[list[_Chunk], np.uint64]:
    """Return one chunk of the `count` rows with the smallest keys, and the largest key in it."""
    keys = np.concatenate([chunk.keys for chunk in chunks])
    largest_key = np.uint64(np.iinfo(np.uint64).max)
    if len(keys) > count:
        largest_key = np.partition(keys, count - 1)[count - 1]
    chosen = keys <= largest_key
    joined = {
        field.name: np.concatenate([getattr(chunk, field.name) for chunk in chunks])[chosen]
        for field in fields(_Chunk)
    }
    return [_Chunk(**joined)], largest_key


def _hash(
    connection: duckdb.DuckDBPyConnection, batch: pa.RecordBatch, names: Sequence[str]
) -> Hashes:
    """Return 64 bits of the md5 of the columns `names` together.

    md5 is the same on every machine and in every version, which DuckDB's own hash() is not.
    """
    columns = pa.table(
        [_without_zone(batch.column(name)) for name in names],
        names=[f"key_{position}" for position in range(len(names))],
    )
    joined = ", ".join(f"cast({name} as varchar)" for name in columns.column_names)
    hashed = connection.from_arrow(columns).project(
        f"md5_number_lower(concat_ws(chr(31), '', {joined})) as hashed"
    )
    values: Hashes = hashed.fetchnumpy()["hashed"].astype(np.uint64, copy=False)
    return values


def _batches(rows: FeatureRows) -> Iterator[pa.RecordBatch]:
    batches: Iterable[pa.RecordBatch] = rows.to_batches() if isinstance(rows, pa.Table) else rows
    return (batch for batch in batches if batch.num_rows)


def _require_columns(schema: pa.Schema, needed: Iterable[str], purpose: str) -> None:
    absent = sorted(set(needed) - set(schema.names))
    if absent:
        raise FeaturesError(
            f"the rows to {purpose} have no column {', '.join(absent)}; "
            "ml/params.yaml says under `columns` what each is called"
        )


def _times(batch: pa.RecordBatch, name: str) -> Times:
    column = _timestamps(batch.column(name), name)
    if column.null_count:
        raise FeaturesError(f"a row to train on has no {name}")
    values: Times = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return values


def _timestamps(column: pa.Array, name: str) -> pa.Array:
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        raise FeaturesError(f"{name} is {column.type}, not a timestamp")
    days = pa.types.is_date(column.type)
    return column.cast(pa.timestamp("us")) if days else _without_zone(column)


def _without_zone(column: pa.Array) -> pa.Array:
    # Arrow stores zoned timestamps in UTC: the cast drops the zone's name, not the instant.
    is_timestamp = pa.types.is_timestamp(column.type)
    return column.cast(pa.timestamp("us"), safe=False) if is_timestamp else column


def _label_values(column: pa.Array, name: str) -> Flags:
    if not pa.types.is_boolean(column.type):
        raise FeaturesError(f"the label {name} is {column.type}, not a boolean")
    values: Flags = column.to_numpy(zero_copy_only=False).astype(np.bool_)
    return values


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )
