"""Parquet and Arrow files as frames of text. The same value gives the same text whatever type a file has it in.

One file may hold an id as whole numbers and the next, with one missing cell, as floats: a whole number is written without a point.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import polars as pl

from benchmark.data import forms
from benchmark.data.files import EXACT, UNREAD, File, Opened, in_a_line
from benchmark.data.nested import several
from benchmark.data.spelling import EXACT as OF_FLOATS
from benchmark.errors import UserError
from benchmark.sources import BETWEEN, INSIDE

# Polars panics over a zone that is in no list, as -05:30 and +05:30 are not. Here none is looked up: a time with a zone is stored in UTC.
os.environ.setdefault("POLARS_IGNORE_TIMEZONE_PARSE_ERROR", "1")

_INDEX = re.compile(r"__index_level_\d+__")  # pandas' name for an index that has none
_BEYOND = "\0beyond"  # no column's name
_NARROW: Mapping[pl.DataType, str] = {pl.Float32(): "float32", pl.Float16(): "float16"}
_BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


def parquet(file: File, multi: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> Opened:
    """``multi``: columns that may hold lists; their values come as one text, with BETWEEN between them. ``exclude``: columns that may hold
    what is no value, for nobody reads them.

    Raises UserError for a file that is no Parquet or damaged, and for a column that holds what is no value.
    """
    try:
        frame = pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
        schema = frame.collect_schema()
        rows = frame.select(pl.len()).collect().item()
    except _BROKEN as error:
        raise UserError(f"{file}: not a readable Parquet file: {in_a_line(error)}") from None
    return _opened(file, "Parquet", frame, _texts(file, schema, multi, exclude), schema, rows)


def arrow(file: File, multi: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> Opened:
    """Arrow's file format (Feather too) and its stream format, which Hugging Face's ``datasets`` writes. As ``parquet``."""
    import pyarrow as pa  # takes a third of a second

    try:
        with file.path.open("rb") as start:
            of_the_file_format = start.read(6) == b"ARROW1"
        if of_the_file_format:
            frame = pl.scan_ipc(file.path, glob=False, hive_partitioning=False)
            rows = frame.select(pl.len()).collect().item()
            schema = frame.collect_schema()
            return _opened(file, "Arrow", frame, _texts(file, schema, multi, exclude), schema, rows)
        with pa.memory_map(str(file.path)) as source:
            empty = pa.ipc.open_stream(source).schema.empty_table()
    except (*_BROKEN, pa.ArrowException) as error:
        raise UserError(f"{file}: not a readable Arrow file: {in_a_line(error)}") from None
    if len(set(empty.column_names)) < empty.num_columns:
        twice = next(name for name in empty.column_names if empty.column_names.count(name) > 1)
        raise UserError(f"{file}: two columns are called {twice!r}; rename one of them")
    schema = pl.DataFrame(empty).schema
    texts = _texts(file, schema, multi, exclude)
    remarks: dict[str, str] = {}
    numerals = _Numerals()

    def batches(chosen: list[str] | None) -> Iterator[pl.DataFrame]:
        cells = _cells(texts, schema, chosen)
        try:
            with pa.memory_map(str(file.path)) as source:
                for batch in pa.ipc.open_stream(source):
                    rows = pl.DataFrame(pa.Table.from_batches([batch])).select(cells)
                    yield _watched(numerals.in_text(rows), schema, remarks)
        except (*_BROKEN, pa.ArrowException) as error:
            raise UserError(f"{file}: damaged: {in_a_line(error)}") from None

    return Opened(tuple(texts), batches, _index(texts), types=_types(schema), remarks=remarks)


def _opened(
    file: File, kind: str, frame: pl.LazyFrame, texts: Mapping[str, pl.Expr], schema: Mapping[str, pl.DataType], rows: int
) -> Opened:
    remarks: dict[str, str] = {}
    numerals = _Numerals()

    def batches(chosen: list[str] | None) -> Iterator[pl.DataFrame]:
        found = 0
        cells = frame.select(_cells(texts, schema, chosen))
        try:
            for some in cells.collect_batches(maintain_order=True):
                found += len(some)
                yield _watched(numerals.in_text(some), schema, remarks)
        except pl.exceptions.PolarsError as error:
            raise UserError(f"{file}: not a readable {kind} file: {in_a_line(error)}") from None
        if found < rows:  # where damage makes a thread of Polars panic, the batches just end
            raise UserError(f"{file}: damaged: {found} of its {rows} rows can be read")

    return Opened(tuple(texts), batches, _index(texts), types=_types(schema), remarks=remarks)


class _Numerals:
    """Whole numbers in text. Of those from 0 to below MOST the texts are kept: to take one takes a sixth of the time of making it."""

    MOST = 1 << 20

    def __init__(self) -> None:
        self._texts = pl.Series(dtype=pl.String)

    def in_text(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(self._of(column) for column in rows if column.dtype.is_integer())

    def _of(self, numbers: pl.Series) -> pl.Series:
        least, most = numbers.min(), numbers.max()
        if not isinstance(least, int) or not isinstance(most, int) or least < 0 or most >= self.MOST:
            return numbers.cast(pl.String)
        if most >= len(self._texts):
            self._texts = pl.int_range(1 << most.bit_length(), eager=True).cast(pl.String)
        return self._texts.gather(numbers).alias(numbers.name)


def _cells(texts: Mapping[str, pl.Expr], schema: Mapping[str, pl.DataType], chosen: Iterable[str] | None) -> list[pl.Expr]:
    """The chosen columns as text; where some are of narrow floats, also whether a row has one that may stand for several whole numbers."""
    names = list(texts if chosen is None else chosen)
    far = [pl.col(name).is_finite() & (pl.col(name).abs() >= OF_FLOATS[_NARROW[schema[name]]]) for name in names if schema[name] in _NARROW]
    return [*(texts[name] for name in names), *([pl.any_horizontal(far).alias(_BEYOND)] if far else [])]


def _watched(rows: pl.DataFrame, schema: Mapping[str, pl.DataType], remarks: dict[str, str]) -> pl.DataFrame:
    """``rows`` as ``_cells`` has them, without the last column; what it says becomes a remark, once a column."""
    if _BEYOND not in rows.columns:
        return rows
    rows, beyond = rows.drop(_BEYOND), rows[_BEYOND]
    if beyond.any():
        far = rows.filter(beyond)
        for name in far.columns:
            if schema[name] in _NARROW and name not in remarks:
                kind = _NARROW[schema[name]]
                numbers = far[name].cast(pl.Float64, strict=False)
                found = far[name].filter(numbers.is_finite().fill_null(False) & (numbers.abs() >= OF_FLOATS[kind]))
                if len(found):
                    remarks[name] = (
                        f"is stored as {kind}, which does not tell whole numbers of {OF_FLOATS[kind]:,} and more apart, as {found[0]}: if "
                        "they are ids or times, several are one value here; write the column anew, as whole numbers, from its source"
                    )
    return rows


def _types(schema: Mapping[str, pl.DataType]) -> Mapping[str, str]:
    """Of the columns whose type says what their cells are: not of lists, nor of a column without a value."""
    found = {name: _kind(dtype) for name, dtype in schema.items()}
    return {name: kind for name, kind in found.items() if kind is not None}


def _kind(dtype: pl.DataType) -> str | None:
    if dtype == pl.Boolean:
        return forms.BOOLEANS
    if dtype.is_integer() or (isinstance(dtype, pl.Decimal) and not dtype.scale):
        return forms.WHOLE
    if dtype.is_numeric():
        return forms.FLOATS
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return forms.TEXTS
    if dtype.is_temporal():
        return forms.DATES if dtype == pl.Date else forms.TIMES
    return None


def _index(columns: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in columns if _INDEX.fullmatch(name))


def _texts(file: File, schema: Mapping[str, pl.DataType], multi: tuple[str, ...], exclude: tuple[str, ...]) -> dict[str, pl.Expr]:
    """Each column as text, or whole numbers as they are. Raises UserError for a column that holds no values, or lists that are not named
    in ``multi``.
    """
    texts = {}
    nested: dict[str, bool] = {}  # columns that are not read, and whether they hold lists of single values
    for name, dtype in schema.items():
        if name in exclude and (dtype.is_nested() or dtype in (pl.Binary, pl.Object) or isinstance(dtype, pl.BaseExtension)):
            texts[name] = pl.when(pl.col(name).is_not_null()).then(pl.lit(UNREAD)).alias(name)
        elif isinstance(dtype, pl.List | pl.Array) and name in multi and not dtype.inner.is_nested():
            column = pl.col(name)
            values = column.arr.to_list() if isinstance(dtype, pl.Array) else column
            cell = _text(file, name, pl.element(), cast(pl.DataType, dtype.inner))
            whole = cell.str.replace_all(BETWEEN, INSIDE, literal=True)
            texts[name] = values.list.eval(whole).list.join(BETWEEN, ignore_nulls=True)
        elif dtype.is_nested():
            nested[name] = isinstance(dtype, pl.List | pl.Array) and not dtype.inner.is_nested()
        elif dtype.is_integer():
            texts[name] = pl.col(name)  # as it is: see _Numerals
        else:
            texts[name] = _text(file, name, pl.col(name), dtype)
    if len(nested) > 1:
        raise UserError(f"{file}: {several([n for n, flat in nested.items() if flat], [n for n, flat in nested.items() if not flat])}")
    for name, flat in nested.items():
        hint = "name it in --multi to take all its values" if flat else "make it columns with one value a cell first"
        said = "sequences are not supported as one value"
        raise UserError(f"{file}: column {name!r} holds {schema[name]}: {said}; {hint}, or name it in --exclude")
    return texts


def _text(file: File, name: str, column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Boolean:
        column = column.cast(pl.UInt8)
    elif dtype.is_float():
        number = column.cast(pl.Float64)  # of float16 Polars's floor (2.1) is the number itself
        whole = (number == number.floor()) & (number.abs() < EXACT)
        return pl.when(whole).then(number.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(column.fill_nan(None).cast(pl.String))
    elif isinstance(dtype, pl.Decimal):
        text = column.cast(pl.String)
        return pl.when(text.str.contains(".", literal=True)).then(text.str.strip_chars_end("0").str.strip_chars_end(".")).otherwise(text)
    elif isinstance(dtype, pl.Datetime):
        # As ISO with microseconds, in UTC where there is a zone: so texts sort as times do.
        moment = column.to_physical().cast(pl.Datetime(dtype.time_unit)) if dtype.time_zone else column
        return moment.cast(pl.Datetime("us")).dt.to_string("%Y-%m-%d %H:%M:%S%.6f" + ("+00:00" if dtype.time_zone else ""))
    elif dtype == pl.Time:  # as text Polars leaves out what is less than a second
        return column.dt.to_string("%H:%M:%S%.f")
    elif isinstance(dtype, pl.Duration):
        column = column.dt.total_microseconds()
    elif isinstance(dtype, pl.BaseExtension):
        raise UserError(
            f"{file}: column {name!r} holds {dtype.ext_name()}, which is no plain value; make it text first, or name it in --exclude"
        )
    elif dtype in (pl.Binary, pl.Object):
        raise UserError(f"{file}: column {name!r} holds raw bytes; make it text first, or name it in --exclude")
    return column.cast(pl.String)
