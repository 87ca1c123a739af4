"""A table, of one file or of many, as a Polars LazyFrame of text, checked as it is read: the first bad line is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl
from polars.io.plugins import register_io_source

from benchmark.data.delimited import delimited
from benchmark.data.files import JSON_LINES, READ, SPARSE, SUFFIXES, TYPED, File, Opened
from benchmark.data.json_lines import json_lines
from benchmark.data.sparse import sparse
from benchmark.data.typed import arrow, parquet
from benchmark.errors import UserError


@dataclass(frozen=True)
class Table:
    """``frame`` has the rows as text, in the file's order. Collecting it reads the file, and raises UserError at the first bad line."""

    file: File
    columns: tuple[str, ...]
    frame: pl.LazyFrame
    index: tuple[str, ...] = ()  # columns that are pandas' index
    numeric: tuple[str, ...] = ()  # columns that the file itself says are numbers


class Piece(NamedTuple):
    """A file of a table of many, and what its folders' names (Hive's key=value) say of its rows."""

    file: File
    keys: tuple[tuple[str, str | None], ...] = ()


class Reading(NamedTuple):
    """How text is read where a file does not say it."""

    separator: str = ""  # of .csv and its like; "" is the tab for .tsv and the comma for others
    columns: tuple[str, ...] = ()  # the names, of files without a header line
    multi: tuple[str, ...] = ()  # columns that may hold lists


def read_table(file: File | Path, separator: str = "", columns: tuple[str, ...] = (), multi: tuple[str, ...] = ()) -> Table:
    """Open a file (see files.SUFFIXES) lazily; ``Reading`` says what the others are.

    Raises UserError for a file that is missing, not read, damaged at its start, empty, or has a bad header; the rows are checked when they
    are read.
    """
    file = file if isinstance(file, File) else File(file)
    opened = _opened(file, Reading(separator, columns, multi))
    return _table(file, opened)


def read_tables(folder: Path, pieces: Sequence[Piece], reading: Reading) -> Table:
    """Many files, one after the other, as one table; ``folder`` is what messages call them. They must have the same columns, in any order.

    A file without rows adds none. Raises UserError as ``read_table``, and for other columns than the first file's.
    """
    first, known = pieces[0], {}
    for first in pieces:
        known = {first: _opened(first.file, reading)} if not _is_void(first.file) else {}
        if known:
            break
    else:
        raise UserError(f"{folder}: none of its {len(pieces)} files has rows")
    opened = known[first]
    keys = tuple(key for key, _ in first.keys if key not in opened.columns)
    columns = (*opened.columns, *keys)

    def batches(chosen: list[str] | None) -> Iterator[pl.DataFrame]:
        wanted = list(columns) if chosen is None else chosen
        own = [name for name in wanted if name not in keys]
        for piece in pieces:
            if _is_void(piece.file):
                continue
            one = known[piece] if piece in known else _opened(piece.file, reading)
            found = dict(piece.keys)
            if set(one.columns) != set(opened.columns) or not set(keys) <= found.keys():
                raise UserError(
                    f"{piece.file}: {_difference((*one.columns, *found), columns)} {first.file}; all files of a table need the same"
                )
            for frame in one.batches(own or [one.columns[0]]):
                yield frame.with_columns(pl.lit(found[key], pl.String).alias(key) for key in keys).select(wanted)

    return _table(File(folder), Opened(columns, batches, opened.index, opened.numeric))


def _opened(file: File, reading: Reading) -> Opened:
    if not file.path.is_file():
        raise UserError(f"{file}: no such file")
    if not file.name.endswith(SUFFIXES):
        raise UserError(f"{file}: this type of file is not read; it must end in {READ}")
    if file.kind in TYPED:
        return (parquet if file.kind == ".parquet" else arrow)(file, reading.multi)
    if file.kind in JSON_LINES:
        return json_lines(file, reading.multi)
    return sparse(file, reading.multi) if file.kind in SPARSE else delimited(file, reading.separator, reading.columns)


def _is_void(file: File) -> bool:
    """Whether it is no more than what an engine writes where a task had no rows: nothing."""
    return not file.member and file.kind not in TYPED and file.path.is_file() and file.path.stat().st_size == 0


def _table(file: File, opened: Opened) -> Table:
    def read(chosen: list[str] | None, predicate: pl.Expr | None, limit: int | None, hint: int | None) -> Iterator[pl.DataFrame]:
        empty = True
        for frame in opened.batches(chosen):
            empty = empty and not len(frame)
            if limit is not None:
                frame = frame.head(limit)
                limit -= len(frame)
            yield frame if predicate is None else frame.filter(predicate)
            if limit == 0:
                return
        if empty:
            raise UserError(f"{file}: there are no data rows")

    frame = register_io_source(read, schema=dict.fromkeys(opened.columns, pl.String()))
    return Table(file, opened.columns, frame, opened.index, opened.numeric)


def _difference(columns: tuple[str, ...], others: tuple[str, ...]) -> str:
    more, fewer = sorted(set(columns) - set(others)), sorted(set(others) - set(columns))
    said = [f"{'has' if some is more else 'lacks'} the column {', '.join(map(repr, some))}" for some in (more, fewer) if some]
    return f"it {' and '.join(said)}, unlike"
