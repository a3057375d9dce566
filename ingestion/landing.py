"""The landing folder: which of its files are data, and whether one has changed."""

import gzip
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final, Literal, cast

from ingestion.contract import TABLES

Format = Literal["parquet", "ndjson", "csv"]

_ENDINGS: Final[Mapping[str, tuple[Format, bool]]] = MappingProxyType(
    {
        ".parquet": ("parquet", False),
        ".ndjson": ("ndjson", False),
        ".ndjson.gz": ("ndjson", True),
        ".jsonl": ("ndjson", False),
        ".jsonl.gz": ("ndjson", True),
        ".csv": ("csv", False),
        ".csv.gz": ("csv", True),
    }
)
_BLOCK_BYTES: Final = 1 << 20
_GZIP_MAGIC: Final = b"\x1f\x8b"


@dataclass(frozen=True)
class LandingFile:
    """One data file as it was when the folder was listed; `path` is relative, posix."""

    table: str
    path: str
    location: Path
    format: Format
    is_gzip: bool
    size_bytes: int
    modified_ns: int

    @property
    def modified_us(self) -> int:
        """Return the modification time in microseconds, as the ledger keeps it."""
        return self.modified_ns // 1000

    def open_unpacked(self) -> IO[bytes]:
        """Open the file's content, without its gzip wrapping if it has one."""
        if self.is_gzip:
            return cast(IO[bytes], gzip.open(self.location))
        return self.location.open("rb")

    def is_as_listed(self) -> bool:
        """Tell whether size and modification time are still those of the listing."""
        now = self.location.stat()
        return (now.st_size, now.st_mtime_ns) == (self.size_bytes, self.modified_ns)


@dataclass(frozen=True)
class Listing:
    """What a landing folder holds: data files, and what is left aside with a word on why.

    `unread` are files that no reader is for, in a table's folder or under a name so near to the
    table's that they may have been meant for it.
    """

    files: tuple[LandingFile, ...]
    folders: frozenset[str]
    unreadable: tuple[tuple[LandingFile, str], ...]
    unread: tuple[tuple[LandingFile, str], ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Fingerprint:
    """The BLAKE2b hash of a file's bytes, and why they are not what the file's name says."""

    content_hash: str
    complaint: str | None


def list_files(landing: Path) -> Listing:
    """List the data files below `landing`, by table and path.

    Links to files and folders are followed, a folder that contains itself once. Raises
    `NotADirectoryError` if there is no such folder.
    """
    if not landing.is_dir():
        raise NotADirectoryError(
            f"there is no landing folder {landing}; make it, or name another one with --landing"
        )
    files: list[LandingFile] = []
    folders: set[str] = set()
    unreadable: list[tuple[LandingFile, str]] = []
    unread: list[tuple[LandingFile, str]] = []
    warnings: list[str] = []
    for entry in sorted(landing.iterdir()):
        if _is_no_data(entry.name):
            continue
        table, astray = _find_table(entry)
        if astray is None:
            folders.add(entry.name)
        else:
            warnings.append(astray)
        if table is None:
            continue
        denied: list[tuple[Path, OSError]] = []
        for location in sorted(_walk(entry, denied)) if entry.is_dir() else [entry]:
            relative = location.relative_to(landing).as_posix()
            if astray is not None:
                unread.append((_describe_unread(table, relative, location), astray))
                continue
            found = _look_at(table, relative, location)
            if isinstance(found, LandingFile):
                files.append(found)
            elif found.is_error:
                unreadable.append((_absent(table, relative), f"it {found.sentence}"))
            else:
                warnings.append(f"{_printable(relative)} {found.sentence}")
                file = _describe_unread(table, relative, location)
                unread.append((file, f"it {found.sentence}"))
        for folder, error in denied:
            absent = _absent(table, folder.relative_to(landing).as_posix())
            unreadable.append((absent, f"it cannot be read: {error.strerror}"))
    return Listing(
        tuple(files), frozenset(folders), tuple(unreadable), tuple(unread), tuple(warnings)
    )


def fingerprint(file: LandingFile) -> Fingerprint:
    """Hash a file's bytes; of a gzip file also check that every stream is whole.

    DuckDB checks no checksums, so that a flipped bit could pass for a value.
    """
    digest = hashlib.blake2b(digest_size=16)
    stream = _GzipCheck() if file.is_gzip else None
    complaint = None
    with file.location.open("rb") as content:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
            if stream:
                stream.feed(block)
            elif content.tell() == len(block) and block.startswith(_GZIP_MAGIC):
                complaint = "it is packed with gzip; let its name end in .gz"
    if stream and not stream.is_whole():
        complaint = "it is no whole gzip file; copy it again"
    return Fingerprint(digest.hexdigest(), complaint)


class _GzipCheck:
    """Decompresses gzip members one after the other to nowhere, for their checksums."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._has_begun = False
        self._is_broken = False

    def feed(self, block: bytes) -> None:
        try:
            while block and not self._is_broken:
                if self._member.eof:
                    self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
                self._has_begun = True
                # In bounded steps: a small block can unpack to gigabytes.
                self._member.decompress(block, 16 * _BLOCK_BYTES)
                block = self._member.unconsumed_tail or self._member.unused_data
        except zlib.error:
            self._is_broken = True

    def is_whole(self) -> bool:
        if self._has_begun and not self._is_broken:
            try:
                self._member.flush()
            except zlib.error:
                self._is_broken = True
        return self._has_begun and self._member.eof and not self._is_broken


@dataclass(frozen=True)
class _Aside:
    sentence: str
    is_error: bool


def _find_table(entry: Path) -> tuple[str | None, str | None]:
    """Return the table that an entry of the landing folder is for, and why it is not read.

    Of what is not read, it is the table of nearly the same name, or None.
    """
    name = _printable(entry.name)
    if entry.is_dir():
        if entry.name in TABLES:
            return entry.name, None
        aside = f"the folder {name} is of no known table and is not loaded"
        near = _fold(name)
        wish = f"rename it to {near}"
    else:
        aside = f"{name} lies in no table's folder and is not loaded"
        near = _fold(name.partition(".")[0])
        wish = f"move it into the folder {near}"
    if near in TABLES:
        return near, f"{aside}; {wish}"
    return None, f"{aside}; tables are {', '.join(TABLES)}" if entry.is_dir() else aside


def _fold(name: str) -> str:
    """Return the name of a table that somebody may have meant by another spelling."""
    return re.sub(r"[\s-]+", "_", name.strip()).lower()


def _look_at(table: str, relative: str, location: Path) -> LandingFile | _Aside:
    kind = next((_ENDINGS[e] for e in sorted(_ENDINGS) if location.name.lower().endswith(e)), None)
    if kind is None:
        return _Aside(
            f"is not loaded: its name ends in none of {', '.join(_ENDINGS)}", is_error=False
        )
    if relative != _printable(relative):
        return _Aside("has a name that is not UTF-8; rename it", is_error=True)
    try:
        status = location.stat()
    except OSError as error:
        return _Aside(f"cannot be read: {error.strerror}", is_error=True)
    if not stat.S_ISREG(status.st_mode):
        return _Aside("is not a regular file", is_error=True)
    return LandingFile(
        table, relative, location, *kind, size_bytes=status.st_size, modified_ns=status.st_mtime_ns
    )


def _describe_unread(table: str, relative: str, location: Path) -> LandingFile:
    """Return an entry for a file of no known format."""
    try:
        status = location.stat()
    except OSError:
        return _absent(table, relative)
    return LandingFile(
        *(table, _printable(relative), location, "csv"),
        is_gzip=False,
        size_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
    )


def _absent(table: str, relative: str) -> LandingFile:
    """Return an entry for what cannot even be looked at."""
    path = _printable(relative)
    return LandingFile(table, path, Path(path), "csv", is_gzip=False, size_bytes=0, modified_ns=0)


def _walk(top: Path, denied: list[tuple[Path, OSError]]) -> Iterator[Path]:
    """Yield the files below a folder, links followed but never in a ring."""
    waiting: list[tuple[Path, frozenset[tuple[int, int]]]] = [(top, frozenset())]
    while waiting:
        folder, above = waiting.pop()
        try:
            status = folder.stat()
            with os.scandir(folder) as entries:
                content = [entry for entry in entries if not _is_no_data(entry.name)]
        except OSError as error:
            denied.append((folder, error))
            continue
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            continue
        for entry in content:
            if entry.is_dir():
                waiting.append((Path(entry.path), above | {identity}))
            else:
                yield Path(entry.path)


def _is_no_data(name: str) -> bool:
    return name.startswith((".", "_")) or name.lower().endswith((".tmp", ".part"))


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
