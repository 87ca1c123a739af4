"""Which rows have a pair of values that no training row has: what a model says of them it cannot have kept in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 20  # rows looked at at once


def unseen_pairs(train: NDArray[np.integer[Any]], rows: NDArray[np.integer[Any]], fields: tuple[int, int]) -> NDArray[np.bool_]:
    """(m,) whether the pair of ids that a row has in ``fields`` stands in no row of ``train``, whatever the label there.

    train: (n, F), rows: (m, F), local ids; both may be memory-mapped, and are read a block at a time. Ids, not texts: two values that
    encoding merges (rare ones, missing ones) are one, as they are for a model. Exact; memory for the m rows and one block.
    """
    pairs, place = np.unique(_keys(rows, fields), return_inverse=True)
    seen = np.zeros(len(pairs), dtype=np.bool_)
    for start in range(0, len(train), BLOCK):
        # Sorted, they are looked up in the order of the memory. Not np.unique: its hash table takes 60 times as long as the sort.
        found = np.sort(_keys(train[start : start + BLOCK], fields))
        at = np.searchsorted(pairs, found).clip(max=len(pairs) - 1)
        seen[at[pairs[at] == found]] = True
    unseen: NDArray[np.bool_] = ~seen[place]
    return unseen


def _keys(rows: NDArray[np.integer[Any]], fields: tuple[int, int]) -> NDArray[np.int64]:
    """(n,) one number for each pair of ids, which are below 2³¹."""
    first, second = (rows[:, field].astype(np.int64) for field in fields)
    return (first << 31) | second
