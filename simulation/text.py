"""Millions of texts at once: ids and columns of Arrow strings, built without a loop over rows."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulation.calendar import Times

_HEX: Final = np.array([f"{byte:02x}" for byte in range(256)], dtype="S2")


def scramble(numbers: npt.NDArray[np.integer], key: int) -> npt.NDArray[np.uint64]:
    """Map numbers one to one onto 64 bits that look random.

    The finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
    generators, 2014); one to one, so distinct numbers never collide under one key.
    """
    mixed = numbers.astype(np.uint64) + np.uint64(key & 0xFFFF_FFFF_FFFF_FFFF)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def hex_ids(numbers: npt.NDArray[np.uint64]) -> pa.StringArray:
    """Write each number as 16 hexadecimal digits."""
    digits = _HEX[numbers.astype(">u8").view(np.uint8)]
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * 16
    return pa.StringArray.from_buffers(
        len(numbers), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(digits))
    )


def choose(words: Sequence[str] | pa.Array, which: npt.NDArray[np.integer]) -> pa.DictionaryArray:
    """Take `words[which]`; a negative index is null. The words of an Arrow array must differ."""
    indices, is_null = which.astype(np.int32), which < 0
    if isinstance(words, pa.Array):
        return pa.DictionaryArray.from_arrays(pa.array(indices, mask=is_null), words)
    # A dictionary that holds a word twice is written to Parquet with bytes of chance.
    code_of = {word: code for code, word in enumerate(dict.fromkeys(words))}
    codes = np.array([code_of[word] for word in words], dtype=np.int32)[indices]
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, mask=is_null), pa.array(list(code_of), pa.string())
    )


def timestamps(times: Times, is_null: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Return times as timestamps without zone, in microseconds."""
    return pa.array(times * 1_000, pa.int64(), mask=is_null).cast(pa.timestamp("us"))


def as_strings(column: pa.Array) -> pa.Array:
    """Return an Arrow column with dictionaries written out."""
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
