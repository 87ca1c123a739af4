"""A table file as a Polars LazyFrame in which every column is text, after a check that names the first bad line.

Polars fills short lines with nulls and does not say which line is too long, so the lines are counted here first, in one pass in
bounded memory. Text, because ids may look like numbers ("1e5", "01") and must not become them.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import polars as pl

from benchmark.contracts import UserError

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
LABELS = ("0", "1", "0.0", "1.0")


@dataclass(frozen=True)
class Table:
    """A checked file: ``rows`` data rows of ``columns``; ``frame`` has them as text, in the file's order."""

    path: Path
    columns: tuple[str, ...]
    rows: int
    frame: pl.LazyFrame


def read_table(path: Path, separator: str = "") -> Table:
    """Check a file (see SUFFIXES) and open it lazily. ``separator`` "" is the tab for .tsv and the comma for .csv.

    Raises UserError for a file that is missing, empty, damaged, not UTF-8, ragged, or has a bad header.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if not path.name.endswith(SUFFIXES):
        raise UserError(f"{path}: this type of file is not read; it must end in {', '.join(SUFFIXES)}")
    if path.suffix == ".parquet":
        return _parquet(path)
    separator = separator or ("\t" if path.name.removesuffix(".gz").endswith(".tsv") else ",")
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise UserError(f"separator {separator!r}: it must be one ASCII character other than a quotation mark or a line end")
    columns, rows = _counted(path, separator)
    frame = pl.scan_csv(path, separator=separator, schema=dict.fromkeys(columns, pl.String))
    return Table(path, columns, rows, frame)


def find_part(folder: Path, names: tuple[str, ...], suffixes: tuple[str, ...] = SUFFIXES) -> Path:
    """The one file of ``folder`` called <one of names><one of suffixes>. Raises UserError for none or several."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; it must hold the files train, valid and test")
    found = [path for name in names for suffix in suffixes if (path := folder / f"{name}{suffix}").is_file()]
    if not found:
        raise UserError(f"{folder}: there is no {names[0]} file; looked for {', '.join(names[0] + suffix for suffix in suffixes)}")
    if len(found) > 1:
        raise UserError(f"{folder}: {' and '.join(path.name for path in found)} are both there; keep one of them")
    return found[0]


def content_md5(path: Path) -> str:
    """MD5 of the uncompressed bytes, 32 hexadecimal digits: what data publishers state."""
    with _damage_named(path), _opened(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def check_labels(frame: pl.LazyFrame, column: str, where: str) -> None:
    """Raises UserError at the first cell that is not exactly 0 or 1 (0.0 and 1.0 pass)."""
    bad = ~pl.col(column).is_in(LABELS).fill_null(False)
    _check(frame, {column: bad}, where, "is no label; a label is 0 or 1 (make it from other values first)")


def check_numbers(frame: pl.LazyFrame, columns: tuple[str, ...], where: str) -> None:
    """Raises UserError at the first cell that is neither missing (null, empty) nor a finite number."""
    finite = {c: pl.col(c).cast(pl.Float64, strict=False).is_finite().fill_null(False) for c in columns}
    bad = {c: (pl.col(c).fill_null("") != "") & ~finite[c] for c in columns}
    _check(frame, bad, where, "is not a number, but the field is numeric (leave the cell empty if it is missing)")


def _check(frame: pl.LazyFrame, bad: Mapping[str, pl.Expr], where: str, complaint: str) -> None:
    if not bad:
        return
    totals = frame.select(expression.sum().alias(column) for column, expression in bad.items()).collect(engine="streaming").row(0)
    for (column, expression), total in zip(bad.items(), totals, strict=True):
        if total:
            rows = frame.select(pl.col(column).alias("value"), expression.alias("bad")).with_row_index("row", offset=1)
            row, value, _ = rows.filter("bad").head(1).collect().row(0)
            shown = "an empty cell" if value in (None, "") else repr(value if len(value) <= 40 else value[:40] + "…")
            raise UserError(f"{where}: row {row}, column {column!r}: {shown} {complaint}")


def _parquet(path: Path) -> Table:
    try:
        frame = pl.scan_parquet(path)
        schema = frame.collect_schema()
        rows = cast(int, frame.select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file: {_line(error)}") from None
    if not rows:
        raise UserError(f"{path}: there are no data rows")
    texts = []
    for name, dtype in schema.items():
        if dtype.is_nested():
            raise UserError(f"{path}: column {name!r} holds {dtype}; sequences are not supported, only one value a cell")
        column = pl.col(name)
        if dtype == pl.Boolean:
            column = column.cast(pl.UInt8)
        elif dtype.is_float():
            column = column.fill_nan(None)
        elif dtype == pl.Binary:
            raise UserError(f"{path}: column {name!r} holds raw bytes; make it text first")
        texts.append(column.cast(pl.String))
    return Table(path, tuple(schema.names()), rows, frame.select(texts))


def _counted(path: Path, separator: str) -> tuple[tuple[str, ...], int]:
    """Header and number of data rows, once every record has as many cells as the header."""
    records = _records(path)
    _, first = next(records, (1, b""))
    header = _cells(first.removeprefix(b"\xef\xbb\xbf"), separator, path, 1)
    if not any(header):
        raise UserError(
            f"{path}: the file is empty; the first line must name the columns" if not first.strip() else f"{path}: line 1 is blank"
        )
    for place, name in enumerate(header, start=1):
        if not name:
            raise UserError(f"{path}: line 1: column {place} has no name")
        if name in header[: place - 1]:
            raise UserError(f"{path}: line 1: the column {name!r} is named twice")
    rows, delimiter = 0, separator.encode()
    for line, record in records:
        if not record.isascii():
            try:
                record.decode()
            except UnicodeDecodeError as error:
                raise UserError(f"{path}: line {line}: not UTF-8 (byte 0x{record[error.start]:02x}); convert the file first") from None
        cells = len(_cells(record, separator, path, line)) if b'"' in record else record.count(delimiter) + 1
        if cells != len(header):
            blank = " (the line is blank)" if not record.strip() else ""
            raise UserError(f"{path}: line {line}: {cells} cells{blank}, but the header has {len(header)} columns")
        rows += 1
    if not rows:
        raise UserError(f"{path}: there are no data rows below the header")
    return tuple(header), rows


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number of its first line from 1, bytes) of each record: a line, or several where a quoted cell holds line ends."""
    with _damage_named(path), _opened(path) as file:
        lines: list[bytes] = []
        quotes = 0
        for number, line in enumerate(file, start=1):
            lines.append(line)
            quotes += line.count(b'"')
            if quotes % 2 == 0:
                yield number - len(lines) + 1, b"".join(lines)
                lines, quotes = [], 0
        if lines:
            raise UserError(f"{path}: line {number - len(lines) + 1}: a quotation mark is opened and never closed")


def _cells(record: bytes, separator: str, path: Path, line: int) -> list[str]:
    try:
        rows = list(csv.reader(io.StringIO(record.decode(), newline="\n"), delimiter=separator, strict=True))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: line {line}: not UTF-8 (byte 0x{record[error.start]:02x}); convert the file first") from None
    except csv.Error as error:
        raise UserError(f"{path}: line {line}: {error}") from None
    if len(rows) > 1:
        raise UserError(f"{path}: line {line}: a quotation mark stands inside a cell; quote the whole cell and double the mark")
    return rows[0] if rows else []


def _opened(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: damaged or truncated: {_line(error)}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
