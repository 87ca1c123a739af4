"""Where the indices of a libsvm file are counted over all fields: which of them are each field's."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

ALMOST = 0.95  # of the first lines, whose indices must be in one order to expect it of others
FEW = 0.1  # of the first lines, in which alone fields have each other's indices
CHANCE = 3  # lines, of fewer nothing is said of chance; and how many times fewer are too few for it
Spans = Mapping[str, tuple[int, int]]  # field -> least and greatest index


class Crossing(NamedTuple):
    """An entry with an index that in almost all lines is another field's."""

    name: str
    other: str
    line: int  # from 0
    found: int  # its index


def index_of() -> pl.Expr:
    return pl.col("index").cast(pl.UInt64, strict=False)


def spans_of(entries: pl.DataFrame) -> Spans:
    """Of the fields' indices, in the order of the indices, where no two fields' overlap, as those counted within fields do. Lines whose
    indices are in another order than almost all have are left out. entries: line, name and index, a row for each.
    """
    usual = _usual(entries)
    spans = usual.group_by("name").agg(least=pl.col("index").min(), greatest=pl.col("index").max()).sort("least")
    overlap = (spans["least"].slice(1) <= spans["greatest"].head(len(spans) - 1)).any()
    return {} if overlap else {name: (least, greatest) for name, least, greatest in spans.iter_rows()}


def bounds_of(spans: Spans) -> Spans:
    """Between which indices, exclusive, none is of another field's span."""
    below = [-1, *(greatest for _, greatest in spans.values())]
    above = [*[least for least, _ in spans.values()][1:], 2**64 - 1]
    return dict(zip(spans, zip(below, above, strict=False), strict=False))


def crossing(entries: pl.DataFrame) -> Crossing | None:
    """Of fields whose indices overlap, but in FEW lines alone: the first of these. entries: as of ``spans_of``, line after line.

    Between each two neighbours, by their medians, the border is drawn that has the fewest entries on its wrong side. None where indices
    that are counted within fields overlap, as is right: two fields then have one index in a line, and the greater one first, as often as
    chance has it; a line with a field twice has two indices, mostly in their order.
    """
    names = entries["name"].unique(maintain_order=True).to_list()
    whole = entries.filter(pl.len().over("line") == len(names))
    indices = whole.select(index_of().fill_null(0))["index"].to_numpy().reshape(-1, len(names))  # (lines, fields)
    order = np.argsort(np.median(indices, axis=0), kind="stable").tolist() if len(indices) else []
    first: tuple[int, int, int] | None = None  # row, field, neighbour
    wrong = np.zeros(len(indices), np.bool_)
    for one, other in itertools.pairwise(order):
        low, high = indices[:, one], indices[:, other]
        borders = np.unique(low)  # the greatest index of the lower field
        above = len(low) - np.searchsorted(np.sort(low), borders, side="right")
        border = borders[(above + np.searchsorted(np.sort(high), borders, side="right")).argmin()]
        amiss = (low > border) | (high <= border)
        if amiss.any():
            if _meet_by_chance(low, high):
                return None
            row = int(amiss.argmax())
            found = (row, one, other) if low[row] > border else (row, other, one)
            first = found if first is None else min(first, found)
            wrong |= amiss
    if first is None or wrong.sum() > FEW * len(wrong):
        return None
    row, field, neighbour = first
    return Crossing(names[field], names[neighbour], int(whole["line"][row * len(names)]), int(indices[row, field]))


def _meet_by_chance(low: NDArray[np.uint64], high: NDArray[np.uint64]) -> bool:
    """(lines,) indices of two fields: whether as many lines have equal ones, or if these are few the greater one in ``low``, as there were
    if the fields had nothing to do with each other.
    """
    ordered = np.sort(low)
    upto, below = (np.searchsorted(ordered, high, side=side).sum() / len(low) for side in ("right", "left"))
    for expected, found in ((upto - below, (low == high).sum()), (len(low) - upto, (low > high).sum())):
        if expected >= CHANCE:
            return bool(found >= expected / CHANCE)
    return False


def _usual(entries: pl.DataFrame) -> pl.DataFrame:
    """line, name and index of the lines whose indices are in the order of almost all; none where there is no such order."""
    entries = entries.select("line", "name", index=index_of()).drop_nulls()
    orders = entries.group_by("line", maintain_order=True).agg(order=pl.col("index").rank("dense"))
    most = orders["order"].value_counts(sort=True)
    if not len(most) or most["count"][0] < ALMOST * len(orders):
        return entries.clear()
    return entries.join(orders.join(most.head(1), on="order").select("line"), on="line", maintain_order="left")
