"""Any table of a user: one file to split, a folder that holds train, valid and test, a folder of part files, a pattern.

.csv, .tsv, .txt, JSON lines and libsvm's family, also compressed (UTF-8); .parquet, .arrow. See docs/data.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmark.data.division import at_random, by_age, parsed_shares
from benchmark.data.files import DELIMITED, SPARSE
from benchmark.data.forms import disagreements
from benchmark.data.layout import ROWS, SPELLINGS, tables_of, unread_in
from benchmark.data.store import PARTS
from benchmark.data.tables import Reading, Table
from benchmark.data.times import far_apart, moments, units
from benchmark.data.transforms import without
from benchmark.sources import BETWEEN, Column, DataSet, Division, Source, UserError, setting
from benchmark.values import one_of

DEFAULT, OF_TWO = "8:1:1", "9:1"
MOST = 1 << 20  # buckets
LISTED = 5  # files
HEADERS = {"criteo": ("label", *(f"I{n}" for n in range(1, 14)), *(f"C{n}" for n in range(1, 27)))}  # of files without one, by name


@dataclass(frozen=True, kw_only=True)
class Csv(DataSet):
    """Columns and split of the user's table. Without ``categorical`` every column that has no other use is categorical.

    Of one table, ``split`` (train:valid:test) is drawn at random with ``seed``; with ``by_time`` the parts follow each other in the order
    of that column instead (numbers, ISO dates and times, or ``date_format``; rows of one time stay together). Or ``split_column`` says
    train, valid (val, validation, dev) or test in each row. Of train and test without valid, valid is cut from train in the same ways.
    """

    summary = "your own table: CSV, TSV, JSON lines, libsvm, Parquet or Arrow with a 0/1 label column"
    source = "a file, a folder with train, valid and test, a folder of part files, or a pattern, named by --from"

    label: str = setting("label", help="column with 0 and 1", metavar="COLUMN")
    categorical: tuple[str, ...] = setting((), help="a,b,c; none given: every column that has no other use")
    numeric: tuple[str, ...] = setting((), help="columns of numbers a,b,c, which are put into buckets")
    multi: tuple[str, ...] = setting((), help="columns whose cells hold several values, like x|y|z, or lists")
    exclude: tuple[str, ...] = setting((), help="columns a,b,c that are no fields")
    min_count: int = setting(1, at_least=1, help="rarer training values become out-of-vocabulary")
    buckets: int = setting(32, at_least=2, at_most=MOST, help="of equal training frequency, for each numeric column")
    pooling: Literal["mean", "sum"] = setting("mean", help="of the values in a cell of a multi column")
    most_values: int = setting(16, at_least=1, at_most=1 << 10, help="that are taken from a cell of a multi column, from its start")
    null_values: tuple[str, ...] = setting(
        (), help="texts a,b,c that stand for a missing cell or value, e.g. NA,null; an empty cell always does"
    )
    separator: str = setting("", help="none given: tab for .tsv, comma for others")
    columns: tuple[str, ...] = setting((), help="names a,b,c of the columns of files without a header line; criteo stands for its 40")
    split: str = setting("", help="train:valid:test of one table; none given: 8:1:1. train:valid where test is there: 9:1")
    seed: int = setting(0, at_least=0, help="of the random split")
    split_column: str = setting("", help="says train, valid or test in each row", metavar="COLUMN")
    by_time: str = setting("", help="the youngest rows by this column are the test part", metavar="COLUMN")
    date_format: str = setting("", help="of by_time where it is neither a number nor ISO, e.g. %d.%m.%Y %H:%M", metavar="FORMAT")
    pair: tuple[str, ...] = setting((), help="user,item: test AUC also over the rows whose pair of these no training row has")

    def validate(self) -> None:
        special = filter(None, (self.split_column, self.by_time))
        for name, times in Counter([self.label, *self.categorical, *self.numeric, *self.multi, *self.exclude, *special]).items():
            if times > 1:
                raise UserError(f"dataset csv: the column {name!r} is named {times} times; each column has one use")
        for name, times in Counter(self.columns).items():
            if times > 1:
                raise UserError(f"dataset csv: columns names {name!r} {times} times")
        if self.split_column and (self.split or self.by_time):
            raise UserError("dataset csv: split_column already says the part of each row; drop split and by_time")
        if self.date_format and not self.by_time:
            raise UserError("dataset csv: date_format is that of the column by_time, which is not given")
        if self.seed and (self.split_column or self.by_time):
            raise UserError(f"dataset csv: seed = {self.seed} is of a random split, and {self._cut()} says the part of each row; drop one")
        for name in ("pooling", "most_values"):
            if not self.multi and (value := getattr(self, name)) != getattr(Csv, name):
                raise UserError(f"dataset csv: {name} = {value} is of multi columns, and there are none; name them by multi, or drop it")
        parsed_shares(self.split or DEFAULT)
        if self.pair and len(set(self.pair)) != 2:
            raise UserError(f"dataset csv: pair = {','.join(self.pair)}; name two columns, as in user,item")

    def _cut(self) -> str:
        """The setting that was given for how one table is cut."""
        return (
            "split_column" if self.split_column else "by_time" if self.by_time else "split" if self.split else "seed" if self.seed else ""
        )

    def paired(self) -> tuple[str, str] | None:
        return (self.pair[0], self.pair[1]) if self.pair else None

    def load(self, source_path: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        if source_path is None:
            raise UserError("data set csv: name the file, or the folder with train, valid and test files, by --from PATH")
        header = HEADERS.get(self.columns[0], self.columns) if len(self.columns) == 1 else self.columns
        try:
            tables = tables_of(source_path, Reading(self.separator, header, self.multi, self.exclude, null_values=self.null_values))
        except OSError as error:
            raise UserError(f"{error.filename or source_path}: cannot be read ({error.strerror})") from None
        table = next(iter(tables.values()))
        columns = self._columns(table)
        if self.columns:
            self._check_no_header(tables.values())
        fields = [column.name for column in columns]
        index = [name for name in table.index if name not in (*fields, *self.exclude)]
        notes = [f"the column {name!r} is the index of a pandas frame, and no field" for name in index]
        names: dict[str, str] = {}
        for name in (name for name in table.columns if name in fields):
            if (other := names.setdefault(name.strip().lower(), name)) != name:
                notes.append(f"the columns {other!r} and {name!r} differ in their names only in case or blanks: is it one column?")
        if unread := unread_in(source_path, tables):
            rest = f" and {len(unread) - LISTED} more" if len(unread) > LISTED else ""
            notes.append(f"beside the parts lie tables that are not read: {', '.join(unread[:LISTED])}{rest}")
        for part, one in tables.items():
            if one.file.kind in SPARSE and not one.named and len(one.columns) != len(table.columns):
                raise UserError(
                    f"{one.file}: {len(one.columns) - 1} entries a line, but {table.file} has {len(table.columns) - 1}; a value's place in "
                    "its line is its field, so all need as many (libffm, field:index:value, names the field)"
                )
            if more := set(one.columns) - set(table.columns):
                notes.append(f"{part} has columns that {next(iter(tables))} has not, which are left out: {', '.join(sorted(more))}")
        return Source(
            parts={part: self._cells(one, fields) for part, one in tables.items()},
            shown_as={part: str(one.file) for part, one in tables.items()},
            label=self.label,
            columns=columns,
            min_count=self.min_count,
            buckets=self.buckets,
            division=self._division(str(source_path), tables),
            notes=tuple(notes),
            examined=True,
            noticed=partial(_noticed, tables, fields),
        )

    def _check_no_header(self, tables: Iterable[Table]) -> None:
        """Raises UserError where the first row of a file whose columns were named has a word for a label."""
        for table in tables:
            first = table.frame.select(self.label).head(1).collect()[self.label][0]
            if first and pl.Series([first]).cast(pl.Float64, strict=False)[0] is None:
                raise UserError(
                    f"{table.file}: line 1 has {first[:40]!r} in the place of {self.label!r}: a header line? --columns is "
                    "for files without one; drop --columns, or take the line away"
                )

    def _cells(self, table: Table, fields: list[str]) -> pl.LazyFrame:
        """A libffm file has what its lines have: a field that none of them has is missing in all."""
        lacking = [name for name in fields if name not in table.columns] if table.named else []
        frame = table.frame.with_columns(pl.lit(None, pl.String).alias(name) for name in lacking)
        return frame.with_columns(map(self._without_nulls, fields)) if self.null_values else frame

    def _without_nulls(self, name: str) -> pl.Expr:
        """Of several values in a cell those that stand for none are not there."""
        if name not in self.multi:
            return without(name, *self.null_values)
        there = pl.col(name).str.split(BETWEEN).list.eval(pl.element().filter(~pl.element().is_in(self.null_values)))
        return there.list.join(BETWEEN).alias(name)

    def _columns(self, table: Table) -> tuple[Column, ...]:
        """The fields, in the order of the file."""
        if len(table.columns) == 1 and table.columns != (self.label,) and table.file.kind in ("", *DELIMITED):
            raise UserError(f"{table.file}: it has one column, {table.columns[0][:80]!r}; name what separates its columns by --separator")
        special = (self.label, self.split_column, self.by_time)
        if self.label == "label" and self.label not in table.columns:
            some = ", ".join(table.columns[:20])
            raise UserError(f"{table.file}: there is no column 'label'; name the one with 0 and 1 by --label (columns: {some})")
        for name in (*filter(None, special), *self.categorical, *self.numeric, *self.multi, *self.exclude):
            one_of("column", name, table.columns, str(table.file))
        if table.file.kind in SPARSE and self.label != table.columns[0]:
            raise UserError(f"{table.file}: the label is its first column, {table.columns[0]}; drop --label")
        numeric = (*self.numeric, *(name for name in table.numeric if name not in (*self.categorical, *self.exclude, *special)))
        used = (*special, *numeric, *self.multi, *self.exclude, *table.index)
        categorical = self.categorical or tuple(c for c in table.columns if c not in used)
        chosen = (*categorical, *numeric, *self.multi)
        if not chosen:
            raise UserError(f"{table.file}: there is no column besides the label; a data set needs fields")
        if self.buckets != Csv.buckets and not numeric:
            raise UserError(f"{table.file}: buckets = {self.buckets} is of numeric columns, and there are none; name them by --numeric")
        for name in self.pair:
            if name not in categorical:
                raise UserError(f"{table.file}: pair names {name!r}, which is no categorical column; they are {', '.join(categorical)}")
        return tuple(self._column(name, numeric) for name in table.columns if name in chosen)

    def _column(self, name: str, numeric: tuple[str, ...]) -> Column:
        if name in self.multi:
            return Column(name, "multi", self.pooling, self.most_values)
        return Column(name, "numeric" if name in numeric else "categorical")

    def _division(self, where: str, tables: Mapping[str, Table]) -> Division | None:
        if ROWS not in tables:
            if cut := self._cut():
                raise UserError(f"{where}: it already holds the three parts; drop {cut}")
            return None
        where = str(tables[ROWS].file)
        if self.split_column:
            if "test" in tables:
                raise UserError(f"{where}: it already holds the test part; drop split_column, and cut valid from train by split or by_time")
            return Division(partial(self._by_column, where), self.split_column)
        shares = self.split or (OF_TWO if "test" in tables else DEFAULT)
        if (len(parsed_shares(shares)) == 2) != ("test" in tables):
            there = (
                "train and test are there: cut train in two, like 9:1"
                if "test" in tables
                else "it is one table: cut it in three, like 8:1:1"
            )
            raise UserError(f"{where}: split = {shares}; {there}")
        if self.by_time:
            notes: list[str] = []
            return Division(partial(self._by_age, where, shares, notes, tables.get("test")), self.by_time, notes)
        return at_random(where, shares, self.seed)

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

    def _by_age(
        self, where: str, shares: str, notes: list[str], test: Table | None, rows: int, cells: pl.Series | None
    ) -> NDArray[np.uint8]:
        assert cells is not None
        ages, shown = moments(where, self.by_time, cells, self.date_format)
        parts = by_age(where, shares, ages.to_numpy())
        of_part = [ages.filter(pl.Series(parts == number)) for number in range(parts.max() + 1)]
        spans = ", ".join(
            f"{PARTS[number]} {shown(ages.min())} … {shown(ages.max())}"  # type: ignore[arg-type]  # numbers, and no part is empty
            for number, ages in enumerate(of_part)
        )
        notes[:] = [f"divided by {self.by_time}: {spans}", *far_apart(self.by_time, ages, shown)]
        if test is not None and self.by_time in test.columns:
            theirs, their_form = moments(
                str(test.file), self.by_time, test.frame.select(self.by_time).collect()[self.by_time], self.date_format
            )
            if their_form is not shown:
                raise UserError(f"{test.file}: column {self.by_time!r}: its times are of another form than those of {where}")
            notes[0] += f", test {shown(theirs.min())} … {shown(theirs.max())}"  # type: ignore[arg-type]
            if not self.date_format and (differ := units(ages, theirs)):
                raise UserError(
                    f"{test.file}: column {self.by_time!r}: its times are {differ[1]} since 1970, those of {where} {differ[0]}; write one"
                )
            if older := int((theirs < ages.max()).sum()):
                notes.append(f"{older:,} of test's {len(theirs):,} rows are older than the youngest of {PARTS[parts.max()]}")
        return parts


def _noticed(tables: Mapping[str, Table], fields: list[str]) -> Iterator[str]:
    """What reading all rows showed."""
    for name in fields:
        if found := [table for table in tables.values() if name in table.remarks]:
            more = f" (and so in {', '.join(table.file.name for table in found[1:])})" if len(found) > 1 else ""
            yield f"{found[0].file.name}: {name} {found[0].remarks[name]}{more}"
    yield from disagreements((table.forms for table in tables.values()), fields)
