"""What a model may know about the data before it sees a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MISSING, UNSEEN, FIRST = 0, 1, 2  # local ids of a field: a missing cell, a value that training does not have, the first value


class Field(NamedTuple):
    """One input. ``cardinality`` counts the rows of its table, special ids included (see data/vocabulary).

    A categorical field has a row for each value, and ``factors`` is 0. A scaled field is a number x: it has one row v, and its embedding
    is x·v. Its ``factors`` different numbers have an id each, so that a batch holds ids only.
    """

    name: str
    cardinality: int
    factors: int = 0


@dataclass(frozen=True)
class Schema:
    """The fields, in the order of the columns of a batch."""

    fields: tuple[Field, ...]
    positive_rate: float  # of the training part
    factors: NDArray[np.float32] | None = field(default=None, compare=False)  # of the scaled fields' ids, field after field

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
        """How many ids there are: rows of the table, or where a field is scaled its factors."""
        return sum(f.factors or f.cardinality for f in self.fields)
