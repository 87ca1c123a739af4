"""A look at a table's first rows before it is encoded: what each column will be, and what in it a person would want to know of.

Nothing is decided here. What looks wrong is said, with the setting that changes it, and the note stays with the data set and its records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmark.data.encode import refuse_labels
from benchmark.data.layout import SPELLINGS
from benchmark.data.spelling import ALMOST, BUCKETS, DAY, DRESSED, FEW, SHOWN, alike, oddities
from benchmark.data.times import MILLISECONDS, SECONDS, is_iso
from benchmark.errors import UserError
from benchmark.sources import BETWEEN, Source

ROWS, OTHERS = 20_000, 5_000  # looked at: of the first part, of each other part
CELLS, LEAST = 4_000_000, 1_000  # of many columns fewer rows, for no more than so many cells; but so many rows
LEAK = 0.99  # AUC of a column alone
AT_LEAST = 5  # rows of each class, or its AUC says nothing
FIELDS = ("categorical", "numeric", "scaled", "multi")  # uses that make a field
EPOCHS = (SECONDS, MILLISECONDS, (1.9e7, 2.1e7))  # the last: days written as 20240131
WITH_COMMA = r"^[+-]?\d[\d.]*(,\d+)+(\.\d+)?$"  # 3,14 or 1,234.5, and the list 3,14
LIST = r"^\[.*\]$"
PART_NAMES = tuple(name for names in SPELLINGS.values() for name in names)


@dataclass(frozen=True)
class ColumnLook:
    """One column, over the rows that were looked at."""

    name: str
    use: str  # label, divides the rows, no field, or its Column.kind
    distinct: int
    missing: float  # share
    examples: tuple[str, ...]  # the most frequent values
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Look:
    """``notes``: one line for each thing that is remarkable, with the columns that it is true of. ``spelled``: the same of how values are
    written, which the encoder says anew, of all rows.
    """

    rows: int
    columns: tuple[ColumnLook, ...]
    notes: tuple[str, ...] = ()
    spelled: tuple[str, ...] = ()


def look(source: Source) -> Look:
    """At the first ROWS rows of the first part, and at OTHERS of each other; fewer of very wide tables.

    Raises UserError where they cannot be read, or the label is none.
    """
    parts = {part: _head(source, part, OTHERS if number else ROWS) for number, part in enumerate(source.parts)}
    for part, rows in parts.items():
        if source.label in rows.columns:
            refuse_labels(rows[source.label], source.shown_as.get(part, part), 0)
    first = next(iter(parts.values()))
    others = list(parts.values())[1:]
    uses = _uses(source, first.columns)
    labels = first[source.label].cast(pl.Float64, strict=False).to_numpy() if source.label in first.columns else np.empty(0)
    most = {column.name: column.most for column in source.columns if column.kind == "multi"}
    partitions: dict[bytes, str] = {}
    columns, notes, spellings = [], dict[str, list[str]](), list[str]()
    for name in first.columns:
        cells = first[name].set(first[name] == "", None)
        if uses[name] == "label":
            remarks: list[str] = []
        else:
            remarks = list(
                _remarks(name, uses[name], cells, labels, partitions, [other[name] for other in others if name in other.columns])
            )
            remarks += _of_several(cells.drop_nulls(), most[name]) if name in most else []
        spelled = list(_spelled(uses[name], cells.drop_nulls()))
        columns.append(_column(name, uses[name], cells, [*remarks, *spelled]))
        spellings += [f"{name}: {said}" for said in spelled]
        if uses[name] in FIELDS:
            for remark in remarks:
                notes.setdefault(remark, []).append(name)
    said = [f"{', '.join(names)}: {remark}" for remark, names in notes.items()]
    if source.label in ("0", "1") and 2 * sum(name in first[name] for name in first.columns) >= len(first.columns):
        said.append(
            f"the columns' names ({', '.join(first.columns[:SHOWN])}, …) look like a row: name the columns of a file without by --columns"
        )
    return Look(len(first), tuple(columns), tuple(said), tuple(spellings))


def _head(source: Source, part: str, rows: int) -> pl.DataFrame:
    try:
        frame = source.parts[part]
        few = max(LEAST, CELLS // len(frame.collect_schema()))
        return frame.select(pl.all().cast(pl.String)).head(min(rows, few)).collect()
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:  # a plug-in's frame may call its functions, which raise what they like
        where = source.shown_as.get(part, part)
        raise UserError(f"{where}: the rows cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}") from None


def _uses(source: Source, columns: Sequence[str]) -> Mapping[str, str]:
    kinds = {column.name: column.kind for column in source.columns}
    by = source.division.column if source.division else None
    return {name: "label" if name == source.label else "divides" if name == by else kinds.get(name, "no field") for name in columns}


def _column(name: str, use: str, cells: pl.Series, remarks: Sequence[str]) -> ColumnLook:
    counts = cells.drop_nulls().value_counts(sort=True)
    examples = tuple(counts[name].head(SHOWN).to_list())
    return ColumnLook(name, use, len(counts), cells.null_count() / max(len(cells), 1), examples, tuple(remarks))


def _remarks(
    name: str, use: str, cells: pl.Series, labels: NDArray[np.float64], partitions: dict[bytes, str], others: Sequence[pl.Series]
) -> Iterator[str]:
    """What is remarkable in a column, in words that fit after its name; ``partitions`` collects which columns divide the rows alike."""
    there = cells.drop_nulls()
    distinct = there.n_unique()
    if distinct + (len(there) < len(cells)) < 2:
        yield "constant, as far as was looked"
        return
    codes = cells.fill_null("").rank("dense").to_numpy()
    _, first_rows, codes = np.unique(codes, return_index=True, return_inverse=True)
    by_appearance = np.argsort(np.argsort(first_rows))[codes].astype(np.int32)
    twin = partitions.setdefault(by_appearance.tobytes(), name)
    if twin != name:
        yield f"says the same as {twin}, row by row"
    numbers = cells.cast(pl.Float64, strict=False).to_numpy()
    if use == "categorical" and len(there) >= FEW:
        yield from _of_a_category(there, distinct, numbers[cells.is_not_null().to_numpy()] if len(there) < len(cells) else numbers)
    if len(labels):
        alone = _auc_alone(codes.astype(np.int64), numbers, labels)
        if alone is not None and alone >= LEAK:
            yield f"tells the label nearly alone (AUC {alone:.3f}): does it know what comes after? If so, --exclude it"
    pointed = use == "categorical" and any((text or "").endswith(".0") for one in (cells, *others) for text in one.head(FEW).to_list())
    ways = [_written_with_point(one) for one in (cells, *others)] if pointed else []
    known = [way for way in ways if way is not None]
    if known and max(known) > 0.5 > min(known):
        yield "whole numbers are written with a point in one part (12.0) and without in another (12): to a category they are two values"


def _of_a_category(there: pl.Series, distinct: int, numbers: NDArray[np.float64]) -> Iterator[str]:
    """there, numbers: (n,) cells that are not missing, as texts and as numbers, NaN where they are none. What is asked of all cells is
    asked of a few first: there may be thousands of columns.
    """
    some = there.head(FEW).to_list()
    numeric = np.isfinite(numbers)
    share = float(numeric.mean())
    if distinct <= len(PART_NAMES) and there.unique().str.to_lowercase().is_in(PART_NAMES).all():
        yield "says train, valid or test: name it in --split-column, or --exclude it"
    elif _is_time(there, some, numbers, numeric):
        yield "looks like a time: name it in --by-time, or --exclude it"
    elif share >= ALMOST and distinct > BUCKETS and (numbers[numeric] % 1 != 0).any():
        yield "looks like numbers: name it in --numeric to put them into buckets"
    elif _most(there, some, WITH_COMMA):
        yield "has commas in its numbers: write decimals with a point to name it in --numeric, several values with | to name it in --multi"
    elif _most(there, some, LIST):
        yield "cells hold lists written as text: write their values with | between them, and name it in --multi"
    elif share < ALMOST and distinct > BUCKETS and _most(there, some, DRESSED):
        shown = there.filter(pl.Series(~numeric))[0]
        yield f"writes numbers with more than figures and a point, as {shown!r}: write them plain to name it in --numeric"
    elif distinct >= ALMOST * len(there):
        yield "almost every row has a value of its own: an id? If so, --exclude it"
    if any(BETWEEN in text for text in some) and int(there.str.contains(BETWEEN, literal=True).sum()) >= (1 - ALMOST) * len(there):
        yield f"cells hold several values, with {BETWEEN} between them: name it in --multi to take each"


def _spelled(use: str, there: pl.Series) -> Iterator[str]:
    if use in ("categorical", "multi"):
        values, rows = (there.str.split(BETWEEN).explode() if use == "multi" else there).alias("value").value_counts()
        yield from alike(values)
        yield from oddities(values, rows.to_numpy().astype(np.int64))


def _of_several(there: pl.Series, most: int) -> Iterator[str]:
    """there: (n,) cells of a multi-valued column that are not missing."""
    lists = there.str.split(BETWEEN)
    longest = lists.list.len().max()
    if longest == 1 and len(there) >= FEW:
        yield f"no cell holds several values; they stand with {BETWEEN} between them"
    if isinstance(longest, int) and longest > most:
        yield f"cells hold up to {longest} values, as far as was looked, of which the first {most} are taken (--most-values)"


def _most(there: pl.Series, some: Sequence[str], form: str) -> bool:
    """Whether almost all texts, and the first, are of the form; ``some``: the first of them."""
    return all(re.search(form, text) for text in some[:SHOWN]) and int(there.str.contains(form).sum()) >= ALMOST * len(there)


def _is_time(there: pl.Series, some: Sequence[str], numbers: NDArray[np.float64], numeric: NDArray[np.bool_]) -> bool:
    if numeric.any():
        low, high = numbers[numeric].min(), numbers[numeric].max()
        within = any(first <= low and high <= last for first, last in EPOCHS)
        return within and numeric.mean() >= ALMOST and len(np.unique(numbers[numeric])) > BUCKETS
    iso = any(text[4:5] == "-" for text in some) and int(is_iso(there).sum()) >= ALMOST * len(there)
    return iso or _most(there, some, DAY)


def _written_with_point(cells: pl.Series) -> float | None:
    """Share of 12.0 among whole numbers; None where most cells are none."""
    there = cells.drop_nulls()
    pointed, plain = (int(there.str.contains(form).sum()) for form in (r"^-?\d+\.0+$", r"^-?\d+$"))
    return pointed / (pointed + plain) if pointed + plain >= max(1, ALMOST * len(there)) else None


def _auc_alone(codes: NDArray[np.int64], numbers: NDArray[np.float64], labels: NDArray[np.float64]) -> float | None:
    """AUC on every other row: of the labels' means by value, learned on the others, or of the number itself. None where one cannot say."""
    held_out = np.arange(len(labels)) % 2 == 1
    truth = labels[held_out]
    if not np.isfinite(labels).all() or min(np.count_nonzero(truth == 1), np.count_nonzero(truth == 0)) < AT_LEAST:
        return None
    rows, ones = (np.bincount(codes[~held_out], weights, codes.max() + 1) for weights in (None, labels[~held_out]))
    base = labels[~held_out].mean()
    scores = (ones + base) / (rows + 1)  # a value that is not in the other half says nothing
    found = [_auc(scores[codes[held_out]], truth)]
    if np.isfinite(numbers).all():
        alone = _auc(numbers[held_out], truth)
        found += [alone, 1 - alone]
    return max(found)


def _auc(scores: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """By Mann and Whitney's sum of ranks, as metrics.ctr has it; that one imports torch, which takes seconds."""
    positives = np.count_nonzero(truth)
    _, run, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = float((np.cumsum(sizes) - (sizes - 1) / 2)[run] @ truth)  # equal scores share their average rank
    return (ranks - positives * (positives + 1) / 2) / (positives * (len(truth) - positives))
