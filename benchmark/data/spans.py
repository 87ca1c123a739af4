"""Where the indices of a libsvm file are counted over all fields: which of them are each field's."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

ALMOST = 0.95  # of the first lines, whose indices must be in one order to expect it of others
FEW = 0.1  # of the first lines, in which alone fields have each other's indices
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
    """Of fields whose indices overlap, but in FEW lines alone: the first of these. entries: as of ``spans_of``.

    Between each two neighbours, by their medians, the border is drawn that has the fewest entries on its wrong side. None where many of the
    lines have one index at two places: indices that are counted within fields do, and overlap by right.
    """
    usual = _usual(entries)
    order = usual.group_by("name").agg(pl.col("index").median()).sort("index", "name")["name"].to_list()
    others: dict[str, str] = {}
    found = [usual.clear()]
    for one, other in itertools.pairwise(order):
        low, high = (usual.filter(pl.col("name") == name)["index"].sort().to_numpy() for name in (one, other))
        borders = np.unique(low)  # the greatest index of the lower field
        amiss = len(low) - np.searchsorted(low, borders, side="right") + np.searchsorted(high, borders, side="right")
        border = int(borders[amiss.argmin()])
        beyond = ((pl.col("name") == one) & (pl.col("index") > border)) | ((pl.col("name") == other) & (pl.col("index") <= border))
        found.append(usual.filter(beyond))
        others |= {one: other, other: one} if len(found[-1]) and one not in others and other not in others else {}
    wrong = pl.concat(found)
    lines = usual.join(wrong.select("line").unique(), on="line").group_by("line").agg(twice=pl.col("index").is_duplicated().any())
    if not 0 < len(lines) <= FEW * entries["line"].n_unique() or lines["twice"].sum() > FEW * len(lines):
        return None
    name, line, index = wrong.filter(pl.col("name").is_in(list(others))).sort("line", "name").select("name", "line", "index").row(0)
    return Crossing(name, others[name], line, index)


def _usual(entries: pl.DataFrame) -> pl.DataFrame:
    """line, name and index of the lines whose indices are in the order of almost all; none where there is no such order."""
    entries = entries.select("line", "name", index=index_of()).drop_nulls()
    orders = entries.group_by("line", maintain_order=True).agg(order=pl.col("index").rank("dense"))
    most = orders["order"].value_counts(sort=True)
    if not len(most) or most["count"][0] < ALMOST * len(orders):
        return entries.clear()
    return entries.join(orders.join(most.head(1), on="order").select("line"), on="line", maintain_order="left")
