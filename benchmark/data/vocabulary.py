"""What the training values of a field become. Local ids: 0 = missing (null or empty), 1 = unseen or too rare, 2… = values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

MISSING, UNSEEN, FIRST = 0, 1, 2


class Vocabulary(Protocol):
    """Learned from the training part; ``ids`` maps any part's cells (text, n) to local ids (n,) below ``cardinality``."""

    @property
    def cardinality(self) -> int: ...

    def ids(self, cells: pl.Series) -> NDArray[np.int32]: ...


@dataclass(frozen=True)
class Categories:
    """One id for each distinct text, in the order of the text's UTF-8 bytes."""

    values: pl.Series  # distinct, sorted

    @classmethod
    def learn(cls, training: pl.LazyFrame, column: str, min_count: int) -> Categories:
        """``training`` has the column as text. Values seen fewer than ``min_count`` times are left out."""
        counts = training.group_by(pl.col(column).alias("value")).agg(pl.len().alias("count"))
        kept = counts.filter((pl.col("value").fill_null("") != "") & (pl.col("count") >= min_count)).select("value")
        return cls(kept.collect(engine="streaming")["value"].sort())

    @property
    def cardinality(self) -> int:
        return len(self.values) + FIRST

    def ids(self, cells: pl.Series) -> NDArray[np.int32]:
        known = cells.cast(pl.Enum(self.values), strict=False).to_physical().cast(pl.Int32) + FIRST
        ids = known.fill_null(UNSEEN).to_numpy().copy()
        ids[(cells.is_null() | (cells == "").fill_null(False)).to_numpy()] = MISSING
        return ids


@dataclass(frozen=True)
class Buckets:
    """Equal-frequency buckets: id 2 + k for edge_{k-1} < x ≤ edge_k.

    The edges are the training part's quantiles i/buckets (the smallest value with at least that share below or at it), each once.
    A value with more than one bucket's share of the rows therefore fills one bucket, and there may be fewer than ``buckets`` of them; none
    is empty in training. Values beyond the outer edges go to the outer buckets, so id 1 does not occur.
    """

    edges: NDArray[np.float64]  # ascending

    @classmethod
    def learn(cls, training: pl.LazyFrame, column: str, buckets: int) -> Buckets:
        numbers = training.select(pl.col(column).cast(pl.Float64, strict=False)).drop_nulls().collect()[column].to_numpy()
        if not len(numbers):
            return cls(np.empty(0))
        quantiles = np.quantile(numbers, np.arange(1, buckets) / buckets, method="inverted_cdf")
        edges = np.unique(quantiles)
        return cls(edges[edges < numbers.max()])

    @property
    def cardinality(self) -> int:
        return len(self.edges) + 1 + FIRST

    def ids(self, cells: pl.Series) -> NDArray[np.int32]:
        numbers = cells.cast(pl.Float64, strict=False)
        ids = np.searchsorted(self.edges, numbers.fill_null(0.0).to_numpy()).astype(np.int32) + FIRST
        ids[numbers.is_null().to_numpy()] = MISSING
        return ids.astype(np.int32)
