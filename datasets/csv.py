"""Any table of a user: one file to split, or a folder that holds train, valid and test files.

.csv, .tsv (also .gz; UTF-8, one header line) and .parquet. Every cell is one value; sequences are refused.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmark.data.division import at_random, parsed_shares, shared_out
from benchmark.data.files import PACKED, find_part, packed
from benchmark.data.store import PARTS
from benchmark.data.tables import Table, read_table
from benchmark.sources import Column, DataSet, Division, Source, UserError, setting
from benchmark.values import one_of

DEFAULT = "8:1:1"
MOST = 1 << 20  # buckets
SPELLINGS = {"train": ("train",), "valid": ("valid", "val", "validation", "dev"), "test": ("test",)}  # of files and split-column cells


@dataclass(frozen=True, kw_only=True)
class Csv(DataSet):
    """Columns and split of the user's table. Without ``categorical`` every column that has no other use is categorical.

    Of one file, ``split`` (train:valid:test) is drawn at random with ``seed``; with ``by_time`` the parts follow each other in the order
    of that column instead (as numbers if all its cells are, else as text: ISO dates sort rightly; ties keep the file's order). Or
    ``split_column`` says train, valid (val, validation, dev) or test in each row.
    """

    summary = "your own table: CSV, TSV or Parquet with a 0/1 label column"
    source = "a file, or a folder with train, valid and test files, named by --from"

    label: str = setting(help="column with 0 and 1", metavar="COLUMN")
    categorical: tuple[str, ...] = setting((), help="a,b,c; none given: every column that has no other use")
    numeric: tuple[str, ...] = setting((), help="columns of numbers a,b,c, which are put into buckets")
    min_count: int = setting(1, at_least=1, help="rarer training values become out-of-vocabulary")
    buckets: int = setting(32, at_least=2, at_most=MOST, help="of equal training frequency, for each numeric column")
    separator: str = setting("", help="none given: tab for .tsv, comma for .csv")
    split: str = setting("", help="train:valid:test of one file; none given: 8:1:1")
    seed: int = setting(0, at_least=0, help="of the random split")
    split_column: str = setting("", help="says train, valid or test in each row", metavar="COLUMN")
    by_time: str = setting("", help="the youngest rows by this column are the test part", metavar="COLUMN")
    pair: tuple[str, ...] = setting((), help="user,item: test AUC also over the rows whose pair of these no training row has")

    def validate(self) -> None:
        named = [self.label, *self.categorical, *self.numeric, *filter(None, (self.split_column, self.by_time))]
        for name, times in Counter(named).items():
            if times > 1:
                raise UserError(f"dataset csv: the column {name!r} is named {times} times; each column has one use")
        if self.split_column and (self.split or self.by_time):
            raise UserError("dataset csv: split_column already says the part of each row; drop split and by_time")
        parsed_shares(self.split or DEFAULT)
        if self.pair and len(set(self.pair)) != 2:
            raise UserError(f"dataset csv: pair = {','.join(self.pair)}; name two columns, as in user,item")

    def paired(self) -> tuple[str, str] | None:
        return (self.pair[0], self.pair[1]) if self.pair else None

    def load(self, source_path: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        if source_path is None:
            raise UserError("data set csv: name the file, or the folder with train, valid and test files, by --from PATH")
        tables = self._tables(source_path)
        columns = self._columns(next(iter(tables.values())))
        return Source(
            parts={part: table.frame for part, table in tables.items()},
            shown_as={part: str(table.file) for part, table in tables.items()},
            label=self.label,
            columns=columns,
            min_count=self.min_count,
            buckets=self.buckets,
            division=self._division(tables["rows"]) if "rows" in tables else None,
        )

    def _tables(self, source_path: Path) -> dict[str, Table]:
        """train, valid and test; or one called rows, to be divided."""
        archived = packed(source_path) if source_path.is_file() and source_path.suffix == ".zip" else []
        if not source_path.is_dir() and len(archived) < 2:
            if source_path.suffix == ".zip" and not archived:
                raise UserError(f"{source_path}: there is no table in it; looked for files that end in {', '.join(PACKED)}")
            return {"rows": read_table(archived[0] if archived else source_path, self.separator)}
        if self.split or self.split_column or self.by_time:
            raise UserError(f"{source_path}: it already holds the three parts; drop split, split_column and by_time")
        return {part: read_table(find_part(source_path, names), self.separator) for part, names in SPELLINGS.items()}

    def _columns(self, table: Table) -> tuple[Column, ...]:
        """The fields, in the order of the file."""
        if len(table.columns) == 1 and table.columns != (self.label,) and table.file.name.endswith(PACKED):
            raise UserError(f"{table.file}: it has one column, {table.columns[0][:80]!r}; name what separates its columns by --separator")
        special = (self.label, self.split_column, self.by_time)
        for name in (*filter(None, special), *self.categorical, *self.numeric):
            one_of("column", name, table.columns, str(table.file))
        categorical = self.categorical or tuple(c for c in table.columns if c not in (*special, *self.numeric))
        chosen = (*categorical, *self.numeric)
        if not chosen:
            raise UserError(f"{table.file}: there is no column besides the label; a data set needs fields")
        for name in self.pair:
            if name not in categorical:
                raise UserError(f"{table.file}: pair names {name!r}, which is no categorical column; they are {', '.join(categorical)}")
        return tuple(Column(c, "numeric" if c in self.numeric else "categorical") for c in table.columns if c in chosen)

    def _division(self, table: Table) -> Division:
        if self.split_column:
            return Division(partial(self._by_column, str(table.file)), self.split_column)
        if self.by_time:
            return Division(partial(self._by_age, str(table.file)), self.by_time)
        return at_random(str(table.file), self.split or DEFAULT, self.seed)

    def _by_column(self, where: str, rows: int, cells: pl.Series | None) -> NDArray[np.uint8]:
        assert cells is not None
        part_of = np.full(rows, len(PARTS), np.uint8)
        for number, part in enumerate(PARTS):
            part_of[cells.is_in(SPELLINGS[part]).to_numpy()] = number
        unknown = np.flatnonzero(part_of == len(PARTS))
        if len(unknown):
            spellings = ", ".join(spelling for part in PARTS for spelling in SPELLINGS[part])
            value = cells[int(unknown[0])]
            raise UserError(f"{where}: row {unknown[0] + 1}, column {self.split_column!r}: {value!r} names no part; use {spellings}")
        for number, part in enumerate(PARTS):
            if not (part_of == number).any():
                raise UserError(f"{where}: no row has {part!r} in the column {self.split_column!r}; every part needs rows")
        return part_of

    def _by_age(self, where: str, rows: int, times: pl.Series | None) -> NDArray[np.uint8]:
        assert times is not None
        missing = (times == "").arg_true()
        if len(missing):
            raise UserError(
                f"{where}: row {missing[0] + 1}, column {self.by_time!r}: an empty cell; every row needs a time to split by time"
            )
        numbers = times.cast(pl.Float64, strict=False)
        aged = pl.DataFrame({"time": times if numbers.null_count() else numbers, "row": np.arange(rows)}).sort("time", "row")
        return shared_out(where, self.split or DEFAULT, aged["row"].to_numpy())
