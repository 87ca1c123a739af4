"""What the encoder holds while rows pass: the codes of a column's texts, and the memory that blocks of rows are made in."""

from __future__ import annotations

import math
from threading import Lock

import numpy as np
import polars as pl
from numpy.typing import NDArray

FEWEST, MOST = 1 << 10, 1 << 18  # places of a column's table, 8 bytes each
CODE = np.uint64(20)  # bits of a code in a table
NONE = np.uint64((1 << 20) - 1)  # no code: greater ones are not in a table
FREE = ~np.uint64(0)  # a place, as no code is NONE
FIRST = 1 << 12  # texts


class Texts:
    """A code for each distinct text of one column; 0… without gaps, in no particular order.

    Polars holds the texts. Before it is asked, a table of their hashes is, which has those that came first: a place in it is one read, and
    the reads of many cells overlap, where a text that is looked up waits for one after another. Two texts are taken for one where one of
    them is in the table and their hashes have the same place and agree in 44 other bits: in one of 250,000 columns of 7 × 10^7 distinct
    texts.
    """

    def __init__(self, most: int = MOST) -> None:
        """most: places that the table may have, a power of two."""
        self._categories = pl.Categories.random()
        self._type = pl.Categorical(self._categories)
        self._held = pl.Series([""], dtype=self._type)  # Polars forgets the codes when no series of that type is left
        self._missing: int = self._held.to_physical()[0]
        self._highest = [self._missing]  # of each look
        self._known, self._most = _Known(min(FEWEST, most)), most
        self._seen = 0  # texts
        self._lock = Lock()

    def codes(self, texts: pl.Series) -> NDArray[np.uint32]:
        """(n,) texts -> (n,) codes. Null is the empty text. Threads may call it at the same time; one of them is at work."""
        hashes = texts.hash().to_numpy()
        parts = []
        start = 0
        with self._lock:
            while start < len(texts):  # at first a few at a time: of what is not known yet every cell is looked up
                some = slice(start, start + max(self._seen, FIRST))
                parts.append(self._codes(texts[some], hashes[some]))
                start += len(parts[-1])
                self._seen += len(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.uint32), *parts])

    def _codes(self, texts: pl.Series, hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
        codes, others = self._known.codes(hashes)
        if len(others):
            codes[others] = self._looked_up(texts.gather(others))
            self._known = self._known.with_these(hashes[others], codes[others], self._most)
        return codes

    def _looked_up(self, texts: pl.Series) -> NDArray[np.uint32]:
        physical = texts.cast(self._type).to_physical()
        codes = (physical.fill_null(self._missing) if physical.null_count() else physical).to_numpy()
        self._highest.append(int(codes.max(initial=0)))
        return codes

    def distinct(self) -> pl.Series:
        """The texts, by code."""
        # Not Categories.to_series(): that makes a Python string of each.
        return pl.Series(np.arange(max(self._highest) + 1, dtype=np.uint32)).cat.to(self._type).cast(pl.String)


class _Known:
    """Codes of texts by their hashes. A hash's place are its first bits; a place has one text, the one that came first, or is free.

    A place is one number, so that a cell is one read: above, the hash without its first ``CODE`` bits, and below, in as many, the code.
    """

    def __init__(self, places: int) -> None:
        self._shift = np.uint64(65 - places.bit_length())
        self._entries = np.full(places, FREE)
        self._put: list[tuple[NDArray[np.uint64], NDArray[np.uint32]]] = []  # for a larger table, which needs all bits

    def codes(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """(n,) codes, and the positions of those that are none, as the table lacks their texts."""
        codes = self._entries.take(self._places(hashes))
        codes ^= hashes << CODE  # the code alone, where the hash is the same
        return codes.astype(np.uint32), np.flatnonzero(codes >= NONE)

    def with_these(self, hashes: NDArray[np.uint64], codes: NDArray[np.uint32], most: int) -> _Known:
        """The table when these have taken their places, if free; a larger one where a quarter of the places are taken then."""
        places = self._places(hashes)
        chosen = (self._entries.take(places) == FREE) & (codes < NONE)
        hashes, codes = hashes[chosen], codes[chosen]
        self._entries[places[chosen]] = hashes << CODE | codes  # of several for one place the last
        if len(self._entries) == most:
            return self
        self._put.append((hashes, codes))
        if 4 * np.count_nonzero(self._entries != FREE) <= len(self._entries):
            return self
        larger = _Known(min(4 * len(self._entries), most))
        for put in self._put:
            larger = larger.with_these(*put, most)
        return larger

    def _places(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        return (hashes >> self._shift).view(np.int64)


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
