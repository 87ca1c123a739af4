"""A data frame in memory -> a prepared data set: as the Parquet file that it would be, by the same plug-in as every table of a user."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmark.config import cache_folder
from benchmark.data.files import in_a_line
from benchmark.data.prepare import check_alias, prepare
from benchmark.data.store import Prepared
from benchmark.errors import UserError

if TYPE_CHECKING:
    import pandas


_REFUSED = (TypeError, ValueError, NotImplementedError, pl.exceptions.PolarsError)  # pyarrow's errors are of the first three


def prepare_frame(frame: pandas.DataFrame | pl.DataFrame, name: str, options: Mapping[str, Any]) -> Prepared:
    """The rows of ``frame`` encoded under ``name`` with the settings of the plug-in ``csv``; what was prepared under it before is replaced.

    An index is no column. Raises UserError.
    """
    check_alias(name)
    called = f"data frame {name}"
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        # In the cache, which has room for data sets; the folder for temporary files may lie in memory.
        with tempfile.TemporaryDirectory(prefix=".frame-", dir=cache_folder()) as folder:
            path = Path(folder) / f"{name}.parquet"
            table = _polars(frame, called)
            for column, dtype in table.schema.items():
                if dtype == pl.Object:
                    raise UserError(f"{called}: the column {column!r} holds Python objects; make it numbers or text, or drop it")
            table.write_parquet(path)
            try:
                return prepare("csv", options, path, alias=name)
            except UserError as error:
                raise UserError(str(error).replace(str(path), called)) from None
    except OSError as error:
        raise UserError(f"{called}: cannot be written to {cache_folder()} ({error}); set BENCHMARK_CACHE to another folder") from None


def _polars(frame: object, called: str) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    pandas = sys.modules.get("pandas")  # who has a frame of it has imported it
    if pandas is None or not isinstance(frame, pandas.DataFrame):
        raise UserError(f"{called}: give a DataFrame of pandas or Polars, not {type(frame).__name__}")
    for column in frame.columns:
        if not isinstance(column, str):
            raise UserError(f"{called}: the column {column!r} has no text for a name; rename it")
        if list(frame.columns).count(column) > 1:
            raise UserError(f"{called}: the column {column!r} is there twice; rename one of them")
    try:
        found: pl.DataFrame = pl.from_pandas(frame)
        return found
    except _REFUSED as error:
        name = next((column for column in frame.columns if not _is_read(frame[[column]])), "")
        what = f"the column {name!r} ({frame[name].dtype})" if name else "a column"
        raise UserError(f"{called}: {what} is neither numbers nor text throughout: {in_a_line(error)}; make it one of them") from None


def _is_read(column: pandas.DataFrame) -> bool:
    try:
        pl.from_pandas(column)
        return True
    except _REFUSED:
        return False
