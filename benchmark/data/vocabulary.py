"""What the training values of a field become. Local ids: 0 = missing, 1 = unseen or too rare, 2… = values; but see Scaled and Bagged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmark.schema import FIRST as FIRST
from benchmark.schema import MISSING as MISSING
from benchmark.schema import UNSEEN as UNSEEN
from benchmark.schema import Bags, Pooling
from benchmark.sources import BETWEEN, Column


@dataclass(frozen=True)
class Categories:
    """One id for each distinct text, in the order of the text's UTF-8 bytes."""

    ids_of: NDArray[np.int32]  # the id of each code (see codes.Texts)
    counts: NDArray[np.int64]  # (cardinality,) training occurrences of each id

    @classmethod
    def learn(cls, texts: pl.Series, counts: NDArray[np.int64], min_count: int, missing_id: int = MISSING) -> Categories:
        """texts: the distinct texts of all parts, by code; counts: training occurrences of each. Fewer than ``min_count``: left out.

        missing_id: of the empty text; with UNSEEN nothing has id 0.
        """
        missing = (texts == "").to_numpy()
        kept = np.flatnonzero((counts >= max(min_count, 1)) & ~missing)
        ids_of = np.full(len(texts), UNSEEN, np.int32)
        ids_of[missing] = missing_id
        ids_of[kept[_order(texts.gather(kept))]] = np.arange(FIRST, FIRST + len(kept), dtype=np.int32)
        return cls(ids_of, np.bincount(ids_of, weights=counts, minlength=FIRST + len(kept)).astype(np.int64))

    @classmethod
    def numbered(cls, texts: pl.Series, counts: NDArray[np.int64]) -> Categories:
        """Of a streamed training part, whose values are numbers 0…: texts as in ``learn``; counts (values,), see ``sources.Stream``."""
        numbers = texts.cast(pl.Int64, strict=False).fill_null(-1).to_numpy()
        ids_of = np.where((numbers >= 0) & (numbers < len(counts)), numbers + FIRST, UNSEEN).astype(np.int32)
        ids_of[(texts == "").to_numpy()] = MISSING
        return cls(ids_of, np.concatenate([np.zeros(FIRST, np.int64), counts]))

    def ids(self, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """(n,) codes -> (n,) local ids"""
        return self.ids_of.take(codes)


def _order(texts: pl.Series) -> NDArray[np.int64]:
    """(n,) distinct texts -> (n,) their places in the order of the texts' UTF-8 bytes."""
    # Texts that differ in their first eight bytes are sorted as numbers, in a third of the time.
    padded = texts.cast(pl.Binary) + pl.Series([bytes(8)])
    starts = padded.bin.slice(0, 8).bin.reinterpret(dtype=pl.UInt64, endianness="big").to_numpy()
    order: NDArray[np.int64] = np.argsort(starts)
    ordered = starts[order]
    return order if (ordered[1:] != ordered[:-1]).all() else texts.arg_sort().to_numpy().astype(np.int64)


@dataclass(frozen=True)
class Buckets:
    """Equal-frequency buckets: id 2 + k for edge_{k-1} < x ≤ edge_k.

    The edges are the training part's quantiles i/buckets (the smallest value with at least that share below or at it), each once.
    A value with more than one bucket's share of the rows therefore fills one bucket, and there may be fewer than ``buckets`` of them; none
    is empty in training. Values beyond the outer edges go to the outer buckets, so id 1 does not occur.
    """

    edges: NDArray[np.float64]  # ascending
    counts: NDArray[np.int64]  # (cardinality,) training occurrences of each id

    @classmethod
    def learn(cls, training: NDArray[np.float64], buckets: int) -> Buckets:
        """training: (n,), NaN where missing"""
        numbers = np.sort(training[~np.isnan(training)])
        edges = np.empty(0)
        if len(numbers):
            edges = np.unique(numbers[-(-np.arange(1, buckets) * len(numbers) // buckets) - 1])  # the ⌈i n / buckets⌉-th, exactly
            edges = edges[edges < numbers[-1]]
        below = np.concatenate([np.zeros(1, np.int64), np.searchsorted(numbers, edges, side="right"), np.full(1, len(numbers))])
        return cls(edges, np.concatenate([[len(training) - len(numbers), 0], np.diff(below)]).astype(np.int64))

    def ids(self, numbers: NDArray[np.float64]) -> NDArray[np.int32]:
        """(n,) numbers, NaN where missing -> (n,) local ids"""
        return np.where(np.isnan(numbers), MISSING, np.searchsorted(self.edges, numbers) + FIRST).astype(np.int32)


@dataclass(frozen=True)
class Scaled:
    """The number itself, for one row of the table that it scales. Local id k stands for ``factors[k]``; 0 is missing, factor 0.

    The factors are the distinct numbers of all parts: nothing is learned from them, they only say what an id stands for.
    """

    factors: NDArray[np.float32]  # 0, then ascending
    counts: NDArray[np.int64]  # (1,) training occurrences of the one row: numbers that are not missing

    @classmethod
    def learn(cls, numbers: NDArray[np.float64], training: NDArray[np.float64]) -> Scaled:
        """numbers: of all parts, (n,), NaN where missing; training: of the training part"""
        distinct = np.unique(numbers.astype(np.float32))
        factors = np.concatenate([np.zeros(1, np.float32), distinct[~np.isnan(distinct)]])
        return cls(factors, np.array([np.count_nonzero(~np.isnan(training))], np.int64))

    def ids(self, numbers: NDArray[np.float64]) -> NDArray[np.int32]:
        """(n,) numbers, NaN where missing -> (n,) local ids"""
        positions = np.searchsorted(self.factors[1:], numbers.astype(np.float32)) + 1
        return np.where(np.isnan(numbers), MISSING, positions).astype(np.int32)


@dataclass(frozen=True)
class Bagged:
    """The values of a cell, as a bag of rows of the table. Local id k stands for bag k: 0 is (MISSING), 1 is (UNSEEN).

    The values are learned as Categories are, from the training part. The bags are those of the cells of all parts: nothing is learned from
    them, they only say what an id stands for.
    """

    ids_of: NDArray[np.int32]  # the bag of each code (see codes.Texts)
    counts: NDArray[np.int64]  # (cardinality,) training occurrences of each row
    bags: Bags
    pooling: Pooling

    @classmethod
    def learn(cls, texts: pl.Series, counts: NDArray[np.int64], column: Column, min_count: int, missing_id: int = MISSING) -> Bagged:
        """texts, counts, missing_id: as for Categories, of whole cells. Values beyond the bound are as if they were not there."""
        lists = texts.str.split(BETWEEN).list.eval(pl.element().filter(pl.element() != "")).list.head(column.most)
        sizes = lists.list.len().to_numpy().astype(np.int64)
        cell = np.repeat(np.arange(len(texts)), sizes)  # of each value
        values = lists.filter(lists.list.len() > 0).explode()
        distinct = values.unique()
        codes = values.cast(pl.Enum(distinct)).to_physical().to_numpy()
        occurrences = np.bincount(codes, weights=counts[cell], minlength=len(distinct)).astype(np.int64)
        categories = Categories.learn(distinct, occurrences, min_count)
        rows = categories.ids(codes)
        categories.counts[missing_id] += counts[sizes == 0].sum()
        rows = rows[np.lexsort((rows, cell))]
        # A line for each cell, and one for either special row alone: its rows + 1, then zeros. As numbers of fixed length with the first
        # byte first, lines are in the order of their bytes: those of the special rows are the first two.
        lines = np.zeros((len(texts) + FIRST, max(sizes.max(initial=1), 1)), ">u4")
        lines[cell, np.arange(len(cell)) - np.repeat(np.cumsum(sizes) - sizes, sizes)] = rows + 1
        lines[: len(texts)][sizes == 0, 0] = missing_id + 1
        lines[len(texts) :, 0] = MISSING + 1, UNSEEN + 1
        bags, ids_of = np.unique(lines.view(f"S{lines.itemsize * lines.shape[1]}").ravel(), return_inverse=True)
        members = bags.view(">u4").reshape(-1, lines.shape[1]).astype(np.int64) - 1
        found = Bags((members >= 0).sum(1, dtype=np.int32), members[members >= 0].astype(np.int32))
        return cls(ids_of[: len(texts)].astype(np.int32), categories.counts, found, column.pooling)

    def ids(self, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """(n,) codes -> (n,) local ids"""
        return self.ids_of.take(codes)

    def several_unseen(self) -> NDArray[np.bool_]:
        """(bags,) which have several values, all of them unseen or too rare."""
        starts = np.cumsum(self.bags.sizes) - self.bags.sizes
        alone: NDArray[np.bool_] = np.logical_and.reduceat(self.bags.members == UNSEEN, starts) & (self.bags.sizes > 1)
        return alone


Vocabulary = Categories | Buckets | Scaled | Bagged
