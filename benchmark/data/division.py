"""Which rows of one file are for training, validation and test."""

from __future__ import annotations

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


def shared_out(where: str, shares: str, order: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The part of each row when train, valid and test take their shares of ``order`` one after another.

    Raises UserError where a part would be empty.
    """
    rows = len(order)
    train, valid, _ = parsed_shares(shares)
    part_of = np.empty(rows, np.uint8)
    start = 0
    for number, end in enumerate((round(train * rows), round((train + valid) * rows), rows)):
        if end == start:
            raise UserError(f"{where}: {rows} rows, split {shares}: {PARTS[number]} would be empty")
        part_of[order[start:end]] = number
        start = end
    return part_of


def parsed_shares(text: str) -> tuple[float, float, float]:
    """train, valid, test of "8:1:1"; they sum to 1. Raises UserError."""
    try:
        numbers = [float(number) for number in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(0 < number < float("inf") for number in numbers):
        raise UserError(f"split = {text!r}; it must be three numbers greater than 0 like 8:1:1 (train:valid:test)")
    train, valid, test = (number / sum(numbers) for number in numbers)
    return train, valid, test
