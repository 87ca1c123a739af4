"""What a model may know about the data before it sees a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

MISSING, UNSEEN, FIRST = 0, 1, 2  # local ids of a field: a missing cell, a value that training does not have, the first value
Pooling = Literal["mean", "sum"]


class Field(NamedTuple):
    """One input. ``cardinality`` counts the rows of its table, special ids included (see data/vocabulary).

    A categorical field has a row for each value, and ``factors`` is 0. A scaled field is a number x: it has one row v, and its embedding
    is x·v. Its ``factors`` different numbers have an id each, so that a batch holds ids only.

    A multi-valued field has a bag of values in each cell, and a row for each value; its embedding is the mean or the sum of the rows of the
    bag. Its ``bags`` different bags have an id each. Bag MISSING has the row MISSING alone, and bag UNSEEN the row UNSEEN alone.
    """

    name: str
    cardinality: int
    factors: int = 0
    bags: int = 0
    pooling: Pooling = "mean"

    @property
    def ids(self) -> int:
        """How many local ids there are: rows of the table, or what they stand for otherwise."""
        return self.bags or self.factors or self.cardinality


class Bags(NamedTuple):
    """What the ids of multi-valued fields stand for, bag after bag. A row that a bag has twice counts twice."""

    sizes: NDArray[np.int32]  # (bags,), each at least 1
    members: NDArray[np.int32]  # (sum of sizes,): rows of the field's own part of the table, ascending in a bag

    def counts(self, occurrences: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
        """(bags,) occurrences of each bag -> (rows,) of each row"""
        each = np.repeat(occurrences, self.sizes)
        return np.bincount(self.members, weights=each, minlength=rows).astype(np.int64)


@dataclass(frozen=True)
class Schema:
    """The fields, in the order of the columns of a batch."""

    fields: tuple[Field, ...]
    positive_rate: float  # of the training part
    factors: NDArray[np.float32] | None = field(default=None, compare=False)  # of the scaled fields' ids, field after field
    bags: Bags | None = field(default=None, compare=False)  # of the multi-valued fields' ids, field after field

    @property
    def base_logit(self) -> float:
        """Of the positive rate: what a model without any knowledge of a row predicts."""
        return math.log(self.positive_rate / (1 - self.positive_rate))

    @property
    def values(self) -> int:
        """Rows of the embedding table: the sum of the cardinalities."""
        return sum(f.cardinality for f in self.fields)

    @property
    def ids(self) -> int:
        """How many global ids there are."""
        return sum(f.ids for f in self.fields)

    def bags_of(self) -> dict[int, Bags]:
        """Position of a multi-valued field -> its own bags."""
        if self.bags is None:
            return {}
        places = [place for place, f in enumerate(self.fields) if f.bags]
        ends = np.cumsum([self.fields[place].bags for place in places])
        sizes = np.split(np.asarray(self.bags.sizes), ends[:-1])
        members = np.split(np.asarray(self.bags.members), np.cumsum([of_one.sum() for of_one in sizes])[:-1])
        return {place: Bags(*of_one) for place, *of_one in zip(places, sizes, members, strict=True)}
