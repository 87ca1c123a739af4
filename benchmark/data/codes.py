"""What the encoder holds while rows pass: the codes of a column's texts, and the memory that blocks of rows are made in."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray


class Texts:
    """A code for each distinct text of one column; 0… without gaps, in no particular order."""

    def __init__(self) -> None:
        self._categories = pl.Categories.random()
        self._type = pl.Categorical(self._categories)
        self._held = pl.Series([""], dtype=self._type)  # Polars forgets the codes when no series of that type is left
        self._missing: int = self._held.to_physical()[0]
        self._highest = [self._missing]  # of each block

    def codes(self, texts: pl.Series) -> NDArray[np.uint32]:
        """(n,) texts -> (n,) codes. Null is the empty text. Threads may call it at the same time."""
        physical = texts.cast(self._type).to_physical()
        codes = (physical.fill_null(self._missing) if physical.null_count() else physical).to_numpy()
        self._highest.append(int(codes.max(initial=0)))
        return codes

    def distinct(self) -> pl.Series:
        """The texts, by code."""
        # Not Categories.to_series(): that makes a Python string of each.
        return pl.Series(np.arange(max(self._highest) + 1, dtype=np.uint32)).cat.to(self._type).cast(pl.String)


class Spare:
    """Arrays of which many are made and few are in use at a time, in memory that is used again: a fresh page costs the system more than
    filling it. Threads may call it at the same time.
    """

    def __init__(self) -> None:
        self._free: list[NDArray[np.int32]] = []

    def taken(self, *shape: int) -> NDArray[np.int32]:
        """An array of any content, to be given back."""
        size = math.prod(shape)
        try:
            flat = self._free.pop()
        except IndexError:
            flat = np.empty(0, np.int32)
        if len(flat) < size:
            flat = np.empty(size, np.int32)
        return flat[:size].reshape(shape)

    def given(self, array: NDArray[np.int32]) -> None:
        """``array`` is no longer used, nor is a view of it."""
        flat = array
        while isinstance(flat.base, np.ndarray):
            flat = flat.base
        self._free.append(flat)
