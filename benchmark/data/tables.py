"""A table, of one file or of many, as a Polars LazyFrame of text, checked as it is read: the first bad line is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import polars as pl
from polars.io.plugins import register_io_source

from benchmark.data.delimited import delimited
from benchmark.data.files import DELIMITED, JSON_LINES, READ, SPARSE, SUFFIXES, TYPED, File, Opened
from benchmark.data.forms import Forms
from benchmark.data.json_lines import json_lines
from benchmark.data.sparse import in_order, sparse
from benchmark.data.typed import arrow, parquet
from benchmark.errors import UserError


@dataclass(frozen=True)
class Table:
    """``frame`` has the rows as text, in the file's order. Collecting it reads the file, and raises UserError at the first bad line."""

    file: File
    columns: tuple[str, ...]
    frame: pl.LazyFrame
    index: tuple[str, ...] = ()  # columns that are pandas' index
    numeric: Mapping[str, str] = field(default_factory=dict)  # columns that the file itself says are numbers, and their index there
    named: bool = False  # as of Opened
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # as of Opened
    forms: Forms = field(default_factory=Forms)  # filled while the rows are read, and so are the
    remarks: Mapping[str, str] = field(default_factory=dict)  # as of Opened, of all files


class Piece(NamedTuple):
    """A file of a table of many, and what its folders' names (Hive's key=value) say of its rows."""

    file: File
    keys: tuple[tuple[str, str | None], ...] = ()


class Reading(NamedTuple):
    """How text is read where a file does not say it."""

    separator: str = ""  # of .csv and its like; "" is the tab for .tsv and the comma for others
    columns: tuple[str, ...] = ()  # the names, of files without a header line
    multi: tuple[str, ...] = ()  # columns that may hold lists
    exclude: tuple[str, ...] = ()  # columns that may hold anything
    numeric: Mapping[str, str] | None = None  # of libsvm and its like: what another file of the table says are numbers
    spans: Mapping[str, tuple[int, int]] | None = None  # of libsvm and its like: those of another file of the table
    fields: tuple[str, ...] = ()  # of libffm: those of all files of the table
    null_values: tuple[str, ...] = ()  # texts that stand for a missing cell: they say nothing of a column's form


def read_table(file: File | Path, separator: str = "", columns: tuple[str, ...] = ()) -> Table:
    """As ``read_as``, of a file with one value in each cell."""
    return read_as(file, Reading(separator, columns))


def read_as(file: File | Path, reading: Reading) -> Table:
    """Open a file (see files.SUFFIXES) lazily.

    Raises UserError for a file that is missing, not read, damaged at its start, empty, or has a bad header; the rows are checked when they
    are read.
    """
    file = file if isinstance(file, File) else File(file)
    opened = _opened(file, reading)
    table = Forms(reading.null_values)

    def batches(chosen: list[str] | None) -> Iterator[pl.DataFrame]:
        return _watched(file, opened, chosen, table)

    return _table(file, replace(opened, batches=batches), table)


def read_tables(folder: Path, pieces: Sequence[Piece], reading: Reading) -> Table:
    """Many files, one after the other, as one table; ``folder`` is what messages call them. They must have the same columns, in any order.

    A libffm file has the fields of all: a rare one may be in few. A file without rows adds none. Raises UserError as ``read_table``, and
    for other columns than the first file's.
    """
    for first in pieces:
        opened = _unless_void(first.file, reading)
        if opened is not None:
            break
    else:
        raise UserError(f"{folder}: none of its {len(pieces)} files has rows")
    if opened.named:
        reading = _of_all(opened, (piece.file for piece in pieces if piece is not first), reading)
        opened = _opened(first.file, reading)
    reading = reading._replace(numeric=opened.numeric, spans=opened.spans)
    keys = tuple(key for key, _ in first.keys if key not in opened.columns)
    columns = (*opened.columns, *keys)
    table = Forms(reading.null_values)
    remarks: dict[str, str] = {}

    def batches(chosen: list[str] | None) -> Iterator[pl.DataFrame]:
        wanted = list(columns) if chosen is None else chosen
        own = [name for name in wanted if name not in keys]
        for piece in pieces:
            one = opened if piece is first else _unless_void(piece.file, reading)
            if one is None:
                continue
            found = dict(piece.keys)
            if set(one.columns) != set(opened.columns) or found.keys() != dict(first.keys).keys():
                different = _difference((*one.columns, *found), (*columns, *dict(first.keys)))
                raise UserError(f"{piece.file}: {different} {first.file}; all files of a table need the same")
            for frame in _watched(piece.file, one, own or [one.columns[0]], table):
                yield frame.with_columns(pl.lit(found[key], pl.String).alias(key) for key in keys).select(wanted)
            for name, remark in one.remarks.items():
                remarks.setdefault(name, remark)

    joined = replace(opened, columns=columns, batches=batches, remarks=remarks)
    return _table(File(folder), joined, table)


def _watched(file: File, opened: Opened, chosen: list[str] | None, table: Forms) -> Iterator[pl.DataFrame]:
    """The rows of one file of a table, whose forms become known."""
    watch = file.kind not in SPARSE  # whose cells are numbers of the file's own
    for frame in opened.batches(chosen):
        if watch and len(frame):
            table.see(file, opened.types, frame)
            watch = False
        yield frame


def _of_all(first: Opened, others: Iterable[File], reading: Reading) -> Reading:
    """With the fields of all files. Whether one is a number, the first file that has it says."""
    fields, numeric = set(first.columns), dict(first.numeric)
    for file in others:
        one = _unless_void(file, reading)
        if one is not None and one.named:
            numeric |= {name: index for name, index in one.numeric.items() if name not in fields}
            fields |= set(one.columns)
    return reading._replace(numeric=numeric, fields=in_order(fields))


def _opened(file: File, reading: Reading) -> Opened:
    if not file.path.is_file():
        raise UserError(f"{file}: no such file")
    if file.kind == ".tar":
        raise UserError(f"{file}: a tar archive is not read; unpack it, and name the folder")
    if not file.name.endswith(SUFFIXES):
        raise UserError(f"{file}: this type of file is not read; it must end in {READ}")
    if file.kind in TYPED and not file.name.endswith(TYPED):
        raise UserError(f"{file}: a compressed {file.kind} file is not read; unpack it (it has a compression of its own)")
    if file.kind in (*TYPED, *JSON_LINES, *SPARSE) and (reading.columns or reading.separator):
        which = "columns" if reading.columns else "separator"
        raise UserError(f"{file}: {which} says how {', '.join(DELIMITED)} are read; a {file.kind} file says it itself, so drop it")
    if file.kind in TYPED:
        return (parquet if file.kind == ".parquet" else arrow)(file, reading.multi, reading.exclude)
    if file.kind in JSON_LINES:
        return json_lines(file, reading.multi, reading.exclude)
    if file.kind in SPARSE:
        return sparse(file, reading.multi, reading.numeric, reading.fields, reading.spans)
    return delimited(file, reading.separator, reading.columns)


def _unless_void(file: File, reading: Reading) -> Opened | None:
    """None of what an engine writes where a task had no rows: nothing, perhaps compressed, or a typed file without columns."""
    if file.kind not in TYPED and file.name.endswith(SUFFIXES):
        if not file.path.stat().st_size:
            return None
        with file.opened() as stream:
            if not stream.read(1):
                return None
    opened = _opened(file, reading)
    return opened if opened.columns else None


def _table(file: File, opened: Opened, forms: Forms) -> Table:
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

    for number, name in enumerate(opened.columns, start=1):
        if not name:
            raise UserError(f"{file}: column {number} has no name; give it one")
        if name == "*" or (name.startswith("^") and name.endswith("$")):
            raise UserError(f"{file}: column {name!r} has a name that is read as a pattern for the names of others; call it otherwise")
    frame = register_io_source(read, schema=dict.fromkeys(opened.columns, pl.String()))
    return Table(file, opened.columns, frame, opened.index, opened.numeric, opened.named, opened.spans, forms, opened.remarks)


def _difference(columns: tuple[str, ...], others: tuple[str, ...]) -> str:
    more, fewer = sorted(set(columns) - set(others)), sorted(set(others) - set(columns))
    said = [f"{'has' if some is more else 'lacks'} the column {', '.join(map(repr, some))}" for some in (more, fewer) if some]
    return f"it {' and '.join(said)}, unlike"
