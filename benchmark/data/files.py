"""Files of rows as they come: plain, compressed, or inside a zip archive that is read where it lies."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Never, cast

from tqdm import tqdm

from benchmark.errors import UserError

if TYPE_CHECKING:
    import polars

COMPRESSED = (".gz", ".zst", ".xz", ".bz2")
DELIMITED = (".csv", ".tsv", ".txt")
JSON_LINES = (".jsonl", ".ndjson", ".json")
SPARSE = (".libsvm", ".svm", ".libfm", ".libffm", ".ffm")  # label index:value …, or label field:index:value …
TYPED = (".parquet", ".arrow", ".feather")
_TEXT = (*DELIMITED, *JSON_LINES, *SPARSE)
PACKED = (*_TEXT, *(suffix + ending for suffix in _TEXT for ending in COMPRESSED), *COMPRESSED)  # what an archive may hold
SUFFIXES = (*PACKED, *TYPED)
MARK = b"\xef\xbb\xbf"  # that some editors put before UTF-8
PACKED_BLOCK = 1 << 16  # bytes unpacked at once
EXACT = 2**53  # whole numbers below it are themselves as floats
UNREAD = "…"  # the text of a cell that holds more than a value, in a column that is no field
READ = f"{', '.join((*_TEXT, *TYPED))}, the texts also with {', '.join(COMPRESSED)}"  # in messages


@dataclass(frozen=True)
class File:
    """A file, or ``member`` of the zip archive ``path``. As text it is what messages call it."""

    path: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    @property
    def name(self) -> str:
        """Its own name, without folders: train.csv"""
        return PurePosixPath(self.member).name if self.member else self.path.name

    @property
    def kind(self) -> str:
        """What its name says of its rows, without compression: .csv; "" where it says nothing."""
        return PurePosixPath(self.name.removesuffix(self._compression)).suffix

    @property
    def _compression(self) -> str:
        return next((ending for ending in COMPRESSED if self.name.endswith(ending)), "")

    @contextmanager
    def opened(self, bar: bool = False) -> Iterator[IO[bytes]]:
        """Its uncompressed bytes; ``bar`` shows how far they are read, on a terminal.

        Raises UserError for a damaged file, also while it is read.
        """
        with (
            damage_named(self),
            tqdm(
                desc=self.name, unit="B", unit_scale=True, unit_divisor=1024, leave=False, disable=not (bar and sys.stderr.isatty())
            ) as shown,
            self._raw() as (raw, size),
        ):
            counted = _counted(raw, shown, size)
            yield _UNPACKED[self._compression](counted) if self._compression else counted

    @contextmanager
    def _raw(self) -> Iterator[tuple[IO[bytes], int]]:
        """The bytes as they lie on the disk or in the archive, and how many."""
        if self.member:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as unpacked:
                yield unpacked, archive.getinfo(self.member).file_size
        else:
            with self.path.open("rb") as file:
                yield file, self.path.stat().st_size


def _zstandard(file: IO[bytes]) -> IO[bytes]:
    import pyarrow  # takes a third of a second, and Python 3.11 has nothing of its own

    return cast(IO[bytes], pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), "zstd"))


class _Streams(io.RawIOBase):
    """bz2 or xz, one stream behind another, with zeros between them or without.

    Python's own files end at the first bytes that start no further stream, without a word; gzip's and Zstandard's refuse them.
    """

    def __init__(self, file: IO[bytes], unpacker: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> None:
        self._file, self._new, self._unpacker = file, unpacker, unpacker()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # what Python's types call it differs by version
        while True:
            data = b""
            if self._unpacker.eof:
                data = self._unpacker.unused_data.lstrip(b"\0")
                while not data:
                    if not (read := self._file.read(PACKED_BLOCK)):
                        return 0
                    data = read.lstrip(b"\0")
                self._unpacker = self._new()
            elif self._unpacker.needs_input:
                data = self._file.read(PACKED_BLOCK)
                if not data:
                    raise EOFError("it ends within a stream, or something that is none stands behind its last one")
            if found := self._unpacker.decompress(data, len(buffer)):
                buffer[: len(found)] = found
                return len(found)


_UNPACKED: Mapping[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda file: cast(IO[bytes], gzip.GzipFile(fileobj=file)),
    ".zst": _zstandard,
    ".xz": lambda file: cast(IO[bytes], io.BufferedReader(_Streams(file, lzma.LZMADecompressor))),
    ".bz2": lambda file: cast(IO[bytes], io.BufferedReader(_Streams(file, bz2.BZ2Decompressor))),
}


def _counted(file: IO[bytes], bar: tqdm[Never], size: int) -> IO[bytes]:
    """``file``, moving the bar as it is read; itself where there is no bar."""
    if bar.disable:
        return file
    bar.reset(total=size)
    return cast(IO[bytes], _Reader(file, bar))


class _Reader:
    """Passes reads on and counts them. What unpackers ask of a file beside reading it is the file's own answer."""

    def __init__(self, file: IO[bytes], bar: tqdm[Never]) -> None:
        self._file, self._bar = file, bar

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._bar.update(len(data))
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@dataclass(frozen=True)
class Opened:
    """What a file of rows turned out to hold."""

    columns: tuple[str, ...]
    batches: Callable[[list[str] | None], Iterator[polars.DataFrame]]  # of some columns, or of all: the rows as text, in the file's order
    index: tuple[str, ...] = ()  # columns that are pandas' index
    numeric: Mapping[str, str] = field(default_factory=dict)  # columns that the file itself says are numbers, and their index there
    named: bool = False  # whether every cell says its column, so that one which the file lacks is missing in its rows
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # of the indices of libsvm's fields: see sparse
    types: Mapping[str, str] = field(default_factory=dict)  # what the file itself says of its columns' cells, in forms' words
    remarks: Mapping[str, str] = field(default_factory=dict)  # column -> what in it is odd; filled while the rows are read


def in_a_line(error: Exception) -> str:
    """What another library says of its error, cut to what a message has room for."""
    return " ".join(str(error).split())[:200]


def not_utf8(file: File, line: int, data: bytes, error: UnicodeDecodeError) -> UserError:
    return UserError(f"{file}: line {line}: not UTF-8 (byte 0x{data[error.start]:02x}); convert the file first")


def find_part(location: Path, names: tuple[str, ...], suffixes: tuple[str, ...] = SUFFIXES) -> File:
    """The one file called <one of names><one of suffixes> in a folder, in a zip archive, or in the zip archives of a folder.

    Raises UserError for none or several, and for an archive that is damaged or has names that point outside it.
    """
    if location.is_file() and location.suffix == ".zip":
        found = [file for file in packed(location) if file.name in {name + suffix for name in names for suffix in suffixes}]
    elif location.is_dir():
        found = [File(path) for name in names for suffix in suffixes if (path := location / f"{name}{suffix}").is_file()]
        archives = () if found else sorted(path for path in location.glob("*.zip") if path.is_file())
        for archive in archives:
            found += [file for file in packed(archive) if file.name in {name + suffix for name in names for suffix in suffixes}]
    else:
        raise UserError(f"{location}: no such folder or zip archive; it must hold the files train, valid and test")
    if not found and location.is_file():
        held = ", ".join(file.member for file in packed(location)[:9]) or "none"
        raise UserError(f"{location}: there is no {names[0]} file among its tables ({held}); pack one table, or train, valid and test")
    if not found:
        endings = f"{names[0]}.csv, or {names[0]} and another of {READ}"
        wanted = endings if suffixes == SUFFIXES else ", ".join(names[0] + suffix for suffix in suffixes)
        raise UserError(f"{location}: there is no {names[0]} file; looked for {wanted}, and in zip archives")
    if len(found) > 1:
        raise UserError(f"{location}: {' and '.join(file.member or file.name for file in found)} are both there; keep one of them")
    return found[0]


def packed(archive: Path) -> list[File]:
    """The tables in a zip archive, in its order. Raises UserError for a damaged archive and for names that point outside it."""
    found = []
    with damage_named(File(archive)), zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            inside = PurePosixPath(name.replace("\\", "/"))
            if inside.is_absolute() or ".." in inside.parts or name[1:2] == ":":
                raise UserError(f"{archive}: holds {name!r}, a path outside the archive; do not trust it, and get it anew")
            if (
                inside.name.endswith(PACKED)
                and not name.endswith("/")
                and not inside.name.startswith(".")
                and "__MACOSX" not in inside.parts
            ):
                found.append(File(archive, name))
    return found


def plain_name(path: Path) -> str:
    """A file's name without what says its type: 2024.01.clicks of 2024.01.clicks.csv.zip"""
    name = path.name
    while ending := next((ending for ending in (*SUFFIXES, ".zip") if name.endswith(ending) and name != ending), ""):
        name = name.removesuffix(ending)
    return name


def content_md5(file: File) -> str:
    """MD5 of the uncompressed bytes, 32 hexadecimal digits: what data publishers state."""
    with file.opened(bar=True) as stream:
        digest = hashlib.md5(usedforsecurity=False)
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def damage_named(file: File | Path | str) -> Iterator[None]:
    """Turns what reading a damaged file raises into a UserError. ``file``: what messages call it."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError) as error:
        raise UserError(f"{file}: damaged or truncated: {in_a_line(error)}") from None
    except (NotImplementedError, RuntimeError) as error:  # of zipfile: a compression that is not built in; a password
        raise UserError(f"{file}: cannot be unpacked ({in_a_line(error)}); unpack it yourself") from None
    except OSError as error:
        # Only the system's own errors have a number; PyArrow and bz2 say with an OSError that the bytes are not what they should be.
        complaint = "damaged or truncated" if error.errno is None else "cannot be read"
        raise UserError(f"{file}: {complaint}: {error.strerror or in_a_line(error)}") from None
