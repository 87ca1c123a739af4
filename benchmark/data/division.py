"""Which rows of one file are for training, validation and test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmark.data.store import PARTS
from benchmark.errors import UserError
from benchmark.sources import Division

LEFT_OUT = len(PARTS)  # the number of no part


def at_random(where: str, shares: str, seed: int, train_fraction: float = 1.0) -> Division:
    """Rows drawn for each part without replacement. ``shares`` like "8:1:1"; ``where`` is what messages call the file.

    With a ``train_fraction`` below 1 the first rows drawn for training are that part, and the others are left out. So validation and test
    stay what they are, and of two fractions the smaller one's rows are among the larger one's.
    """

    def part_of(rows: int, _: pl.Series | None) -> NDArray[np.uint8]:
        order = np.random.default_rng(seed).permutation(rows)
        parts = shared_out(where, shares, order)
        train = order[: np.count_nonzero(parts == PARTS.index("train"))]  # it takes the first of the order
        parts[train[max(1, round(train_fraction * len(train))) :]] = LEFT_OUT
        return parts

    return Division(part_of)


def by_age(where: str, shares: str, ages: NDArray[Any]) -> NDArray[np.uint8]:
    """The part of each row when the oldest are for training, the youngest for test. Rows of one age are in one part: the border is moved
    to the nearer end of theirs. ``ages`` (n,): numbers that grow with time.
    """
    order = np.argsort(ages, kind="stable")
    sorted_ages = ages[order]

    def moved(border: int) -> int:
        if not 0 < border < len(ages):
            return border
        first, last = (int(np.searchsorted(sorted_ages, sorted_ages[border], side)) for side in ("left", "right"))
        return first if border - first <= last - border else last

    return shared_out(where, shares, order, moved)


def shared_out(where: str, shares: str, order: NDArray[np.int64], moved: Callable[[int], int] = int) -> NDArray[np.uint8]:
    """The part of each row when train, valid and test (or train and valid) take their shares of ``order`` one after another.

    ``moved``: where a part ends instead of there. Raises UserError where a part would be empty.
    """
    rows = len(order)
    part_of = np.empty(rows, np.uint8)
    ends = [moved(round(share * rows)) for share in np.cumsum(parsed_shares(shares))[:-1].tolist()]
    start = 0
    for number, end in enumerate((*ends, rows)):
        if end <= start:
            tied = "" if moved is int else "; rows of one time stay in one part"
            raise UserError(f"{where}: {rows} rows, split {shares}: {PARTS[number]} would be empty{tied}")
        part_of[order[start:end]] = number
        start = end
    return part_of


def parsed_shares(text: str) -> tuple[float, ...]:
    """train, valid, test of "8:1:1", or train and valid of "9:1"; they sum to 1. Raises UserError."""
    try:
        numbers = [float(number) for number in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(0 < number < float("inf") for number in numbers):
        wanted = "three numbers greater than 0 like 8:1:1 (train:valid:test), or two like 9:1 (train:valid) where test is a file of its own"
        raise UserError(f"split = {text!r}; it must be {wanted}")
    return tuple(number / sum(numbers) for number in numbers)
