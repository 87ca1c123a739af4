"""CSV and its like as frames in which every column is text, checked as they are read: the first bad line is named.

One pass, in blocks of whole rows: a thread reads and counts separators, Polars parses. Polars fills short lines with nulls and does not
say which line is too long; so a block whose separators do not fit its rows, that has odd quotation marks or that it cannot parse, is gone
through line by line. Text, because ids may look like numbers ("1e5", "01") and must not become them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from benchmark.data.files import MARK, File, Opened, in_a_line, not_utf8
from benchmark.data.prefetch import prefetched
from benchmark.errors import UserError

BLOCK = 1 << 23  # bytes parsed at once; no row may be longer
UNNAMED = "Unnamed: "  # what pandas calls a column without a name
_SPELLED = {"\\t": "\t", "tab": "\t"}  # as a shell passes them on
csv.field_size_limit(max(BLOCK, csv.field_size_limit()))  # a cell may be as long as a row


def delimited(file: File, separator: str = "", columns: tuple[str, ...] = ()) -> Opened:
    """``separator`` "" is the tab for .tsv and the comma for others. ``columns`` names those of a file that has no header line.

    A first column without a name, or called "Unnamed: 0", is the index that pandas writes. Raises UserError for a file that is damaged at
    its start, empty, or has a bad header; the rows are checked when they are read.
    """
    separator = _SPELLED.get(separator, separator) or ("\t" if file.kind == ".tsv" else ",")
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise UserError(f"separator {separator!r}: it must be one ASCII character (a tab: '\\t') other than a quotation mark or a line end")
    header = _header(file, separator) if not columns else _Header(columns, 0, 0)

    def batches(chosen: list[str] | None) -> Iterator[pl.DataFrame]:
        for frame in _frames(file, separator, header):
            yield frame if chosen is None else frame.select(chosen)

    return Opened(
        header.columns, batches, tuple(name for name in header.columns[:1] if name.startswith(UNNAMED) and len(header.columns) > 1)
    )


class _Header(NamedTuple):
    columns: tuple[str, ...]
    lines: int
    size: int  # in bytes


class _Piece(NamedTuple):
    """Whole rows of a file."""

    line: int  # number of its first line, from 1
    data: bytes
    separators: int  # outside quotation marks; -1 where one of these stands oddly, and where a NUL byte or a CR alone is in the data
    quoted: bool  # whether there is a quotation mark


def _frames(file: File, separator: str, header: _Header) -> Iterator[pl.DataFrame]:
    schema = dict.fromkeys(header.columns, pl.String())
    width = len(header.columns)
    for piece in prefetched(_pieces(file, separator, header)):
        data = MARK + piece.data if piece.line > 1 and piece.data.startswith(MARK) else piece.data  # Polars drops the first
        try:
            frame = pl.read_csv(data, has_header=False, schema=schema, separator=separator, quote_char='"' if piece.quoted else None)
            sound = width > 1 and piece.separators == len(frame) * (width - 1)  # Polars refuses longer rows, so none is shorter
        except pl.exceptions.PolarsError as error:
            _check_rows(file, separator, width, piece)
            raise UserError(f"{file}: from line {piece.line} on: cannot be parsed: {in_a_line(error)}") from None
        if not sound:
            _check_rows(file, separator, width, piece)
        yield frame


def _pieces(file: File, separator: str, header: _Header) -> Iterator[_Piece]:
    """The rows below the header, in blocks. Raises UserError for a row longer than BLOCK."""
    line, rest, skipped = header.lines + 1, b"", header.size
    with file.opened(bar=True) as stream:
        while block := stream.read(BLOCK):
            data = rest + block[skipped:]
            skipped = 0
            quoted = b'"' in data
            first, last = _ends(data, quoted)
            if first > BLOCK:
                raise _too_long(file, line, data[:first], separator, header.columns)
            if len(data) - last > BLOCK:
                raise _too_long(file, line + data.count(b"\n", 0, last), data[last:], separator, header.columns)
            if last:
                rows = data[:last]
                yield _Piece(line, rows, _separators(rows, separator), quoted)
                line += _occurrences(data, b"\n", last)
            rest = data[last:]
    if rest:
        yield _Piece(line, rest, _separators(rest, separator), b'"' in rest)


def _occurrences(data: bytes, mark: bytes, end: int) -> int:
    """``data.count(mark, 0, end)`` of one byte; where it is frequent, this takes half the time."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8, end) == ord(mark)))


def _separators(rows: bytes, separator: str) -> int:
    """How many stand outside quotation marks. -1 unless these open and close whole cells and are doubled within; and for a NUL byte and a
    carriage return without a line feed: Polars takes that as part of a cell, others as the end of a line.
    """
    if b"\0" in rows or (b"\r" in rows and _has_cr_alone(rows)):
        return -1
    if b'"' not in rows:
        return _occurrences(rows, separator.encode(), len(rows))
    around = np.frombuffer(b"\n" + rows + b"\n\n", np.uint8)
    is_mark = around == ord('"')
    marks = np.flatnonzero(is_mark)
    ends = np.array([ord(separator), ord("\n"), ord('"')], np.uint8)  # what stands before an opening mark and behind a closing one
    behind, next_but_one = around[marks[1::2] + 1], around[marks[1::2] + 2]
    closed = np.isin(behind, ends) | ((behind == ord("\r")) & (next_but_one == ord("\n")))
    if len(marks) % 2 or not np.isin(around[marks[::2] - 1], ends).all() or not closed.all():
        return -1
    return int(np.count_nonzero((around == ord(separator)) & ~np.logical_xor.accumulate(is_mark)))


def _has_cr_alone(rows: bytes) -> bool:
    array = np.frombuffer(rows, np.uint8)
    return bool(array[-1] == ord("\r") or ((array[:-1] == ord("\r")) & (array[1:] != ord("\n"))).any())


def _ends(data: bytes, quoted: bool) -> tuple[int, int]:
    """Where the first row ends and where the last whole one does; 0, 0 without a whole row. One between quotation marks is none."""
    if not quoted:
        return data.find(b"\n") + 1, data.rfind(b"\n") + 1
    array = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(array == ord("\n"))
    ends = ends[np.searchsorted(np.flatnonzero(array == ord('"')), ends) % 2 == 0]
    return (int(ends[0]) + 1, int(ends[-1]) + 1) if len(ends) else (0, 0)


def _too_long(file: File, line: int, row: bytes, separator: str, columns: tuple[str, ...]) -> UserError:
    array = np.frombuffer(row, np.uint8)
    separators = np.flatnonzero((array == ord(separator)) & ~np.logical_xor.accumulate(array == ord('"')))
    longest = int(np.diff(separators, prepend=-1, append=len(row)).argmax())
    where = f", column {columns[longest]!r}" if longest < len(columns) else ""
    return UserError(
        f"{file}: line {line}{where}: a row of more than {BLOCK >> 20} MiB; is a quotation mark never closed, or a line end missing?"
    )


def _header(file: File, separator: str) -> _Header:
    with file.opened() as stream:
        start = stream.read(BLOCK)
    if not start:
        raise UserError(f"{file}: the file is empty; the first line must name the columns")
    end, _ = _ends(start, b'"' in start)
    if not end and len(start) == BLOCK:
        raise _too_long(file, 1, start, separator, ())
    record = start[: end or len(start)]
    names = _cells(record.removeprefix(MARK), separator, file, 1)
    if not any(names):
        raise UserError(f"{file}: line 1 is blank; it must name the columns")
    if not names[0] and len(names) > 1:  # pandas' index
        names[0] = next(name for name in (f"{UNNAMED}{n}" for n in range(len(names))) if name not in names)
    seen = set()
    for number, name in enumerate(names, start=1):
        if not name:
            raise UserError(f"{file}: line 1: column {number} has no name")
        if name in seen:
            raise UserError(f"{file}: line 1: the column {name!r} is named twice")
        seen.add(name)
    return _Header(tuple(names), record.count(b"\n"), len(record))


def _check_rows(file: File, separator: str, width: int, piece: _Piece) -> None:
    """Raises UserError at the first row of the piece that has not ``width`` cells, is no UTF-8, or is quoted wrongly."""
    delimiter = separator.encode()
    for line, record in _records(file, piece):
        if not record.isascii():
            try:
                record.decode()
            except UnicodeDecodeError as error:
                raise not_utf8(file, line, record, error) from None
        odd = b'"' in record or b"\0" in record or record.count(b"\r") > record.endswith(b"\r\n")
        cells = len(_cells(record, separator, file, line)) if odd else record.count(delimiter) + 1
        if cells != width:
            blank = " (the line is blank)" if not record.strip() else ""
            raise UserError(f"{file}: line {line}: {cells} cells{blank}, but the header has {width} columns")


def _records(file: File, piece: _Piece) -> Iterator[tuple[int, bytes]]:
    """(number of its first line, bytes) of each row: a line, or several where a quoted cell holds line ends."""
    lines: list[bytes] = []
    quotes = 0
    for number, line in enumerate(io.BytesIO(piece.data), start=piece.line):
        lines.append(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield number - len(lines) + 1, b"".join(lines)
            lines, quotes = [], 0
    if lines:
        raise _unclosed(file, number - len(lines) + 1)


def _cells(record: bytes, separator: str, file: File, line: int) -> list[str]:
    if b"\0" in record:
        raise UserError(f"{file}: line {line}: a NUL byte; is the file damaged, or UTF-16? Convert it to UTF-8")
    if record.count(b'"') % 2:
        raise _unclosed(file, line)
    if record.endswith((b"\r", b"\r\r\n")):  # Python's csv takes it, Polars does not
        raise _alone(file, line)
    try:
        rows = list(csv.reader(io.StringIO(record.decode(), newline="\n"), delimiter=separator, strict=True))
    except UnicodeDecodeError as error:
        raise not_utf8(file, line, record, error) from None
    except csv.Error as error:
        raise (_alone if "new-line" in str(error) else _inside)(file, line) from None
    if len(rows) > 1:
        raise _inside(file, line)
    return rows[0] if rows else []


def _unclosed(file: File, line: int) -> UserError:
    return UserError(f"{file}: line {line}: a quotation mark is opened and never closed")


def _alone(file: File, line: int) -> UserError:
    return UserError(f"{file}: line {line}: a carriage return stands alone; end lines with LF or CR LF")


def _inside(file: File, line: int) -> UserError:
    return UserError(f"{file}: line {line}: a quotation mark stands inside a cell; quote the whole cell and double the mark")
