"""Text files as lines: how DuckDB reads them, and a mended copy of what it will not read."""

import codecs
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ingestion.landing import LandingFile
from ingestion.values import quote_text

# Lines are read as CSV of one column whose delimiter no JSON may hold unescaped.
_NO_DELIMITER: Final = "\x01"

MAX_LINE_BYTES: Final = 16 << 20
# For files that the first reading failed on; a longer line makes its file unreadable.
MAX_MENDED_LINE_BYTES: Final = 256 << 20

# A character that Unicode sets aside for private marks inside a program: in a mended copy it
# stands before each byte that was no text, which follows in words (\xff).
MARK: Final = "\ufdd0"

# Stops at the first character of nearly every line; trimming would copy the line.
IS_FILLED: Final = r"coalesce(regexp_matches(line, '\S'), false)"

_BLOCK_CHARACTERS: Final = 1 << 20


def escape_names(files: Iterable[LandingFile]) -> list[str]:
    """Return the names of files for DuckDB's readers, in which * ? [ would be patterns."""
    return [
        "".join(f"[{c}]" if c in "*?[" else c for c in str(file.location.absolute()))
        for file in files
    ]


def make_settings(*, is_gzip: bool, max_line_bytes: int = MAX_LINE_BYTES) -> str:
    """Return the options that every reading of a text file has in common."""
    compression = quote_text("gzip" if is_gzip else "none")
    # The reader keeps whole lines in one buffer; twice the longest is what it asks for.
    buffer_bytes = max(32 << 20, 2 * max_line_bytes)
    return (
        f"auto_detect=false, hive_partitioning=false, compression={compression}, "
        f"max_line_size={max_line_bytes}, buffer_size={buffer_bytes}"
    )


def select_lines(settings: str) -> str:
    """Return the lines of the files `$paths` that are not blank: `line` and `file_index`."""
    return f"(select * from {select_with_blank_lines(settings)} where {IS_FILLED})"


def select_with_blank_lines(settings: str) -> str:
    """Return all lines of the files `$paths`: `line`, null where empty, and `file_index`."""
    return (
        "(select line, file_index from read_csv($paths, columns={'line': 'VARCHAR'}, "
        f"delim={quote_text(_NO_DELIMITER)}, quote='', escape='', header=false, {settings}))"
    )


def mend(file: LandingFile, target: Path, *, keeps_line_ends: bool) -> str:
    """Write a copy that DuckDB can read: UTF-8, no gzip, no blank start, one kind of line end.

    What is no text is marked, so that its row can be told. Line ends stay as they are if asked.
    Returns the copy's first line end. Raises `OSError` if the file cannot be read.
    """
    line_end = "\n"
    newline = "" if keeps_line_ends else None
    with (
        file.open_unpacked() as unpacked,
        io.TextIOWrapper(unpacked, "utf-8-sig", errors=_MARKING, newline=newline) as text,
        target.open("w", encoding="utf-8", newline="") as copy,
    ):
        has_begun = False
        while block := text.read(_BLOCK_CHARACTERS):
            if not has_begun:
                block = block.lstrip()
                has_begun = bool(block)
                found = re.search(r"\r\n|\r|\n", block)
                line_end = found.group() if found else "\n"
            if file.format == "ndjson":
                block = block.replace(_NO_DELIMITER, f"{MARK}\\x01")
            copy.write(block)
    return line_end


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(f"{MARK}\\x{byte:02x}" for byte in wrong), error.end


_MARKING: Final = "mailmart.mark"
codecs.register_error(_MARKING, _mark)
