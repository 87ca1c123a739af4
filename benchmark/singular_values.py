"""Singular values in a record: of each matrix a line of text that says where its spectrum falls, at a few places.

    "100 .93 .912 … .0021"      100 singular values; σ_i/σ_1 at the ``positions`` of 100, from the second on, with three digits

Dropped are the places between, further digits, and σ_1 itself, which is 1 here: a line through the rest looks the same. Matrices of zeros
have no line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isfinite
from typing import NamedTuple

PLACES = 12  # of a spectrum at most. Part of the form: with another number records would be read wrongly
FIELDS = 40  # with a line of their own: those with the most learned values
OF_FIELD = "table/"  # how the name of a field's table begins; "table": of all fields together


class Spectrum(NamedTuple):
    size: int  # singular values of the matrix
    values: tuple[float, ...]  # σ_i/σ_1 at ``positions(size)``, descending from 1


@lru_cache(maxsize=1 << 10)
def positions(count: int) -> tuple[int, ...]:
    """Places i, from 1, of the kept ones of ``count`` singular values: all, or ``PLACES`` at most, the first and the last among them, in
    equal ratios as far as whole numbers go.
    """
    if count <= PLACES:
        return tuple(range(1, count + 1))
    return tuple(sorted({round(count ** (place / (PLACES - 1))) for place in range(PLACES)}))


def packed(values: Mapping[str, Sequence[float]], learned: Mapping[str, int]) -> dict[str, str]:
    """Matrix -> its line. values: σ_i/σ_1 of each matrix, all of them, descending. learned: field -> values that training data has of it.

    Of more than ``FIELDS`` fields those with the most learned values have a line, in their order.
    """
    most = set(sorted(learned, key=lambda name: -learned[name])[:FIELDS])
    kept = {name: found for name, found in values.items() if not name.startswith(OF_FIELD) or name.removeprefix(OF_FIELD) in most}
    return {name: _line(found) for name, found in kept.items() if found[0] > 0}


def _line(values: Sequence[float]) -> str:
    return " ".join([str(len(values)), *(_digits(values[place - 1]) for place in positions(len(values))[1:])])


def _digits(value: float) -> str:
    """Three of them, in the shorter of two spellings that ``float`` reads."""
    if value >= 1e-4:
        return f"{value:.3g}".removeprefix("0")
    mantissa, _, power = f"{value:.2e}".partition("e")
    return f"{float(mantissa):g}e{int(power)}" if value > 0 else "0"


def unpacked(line: str) -> Spectrum:
    """Raises ValueError for what is no such line."""
    first, *rest = line.split(" ")
    if not (first.isascii() and first.isdigit() and len(first) < 10):
        raise ValueError(f"{first!r} is not the number of singular values")
    count, values = int(first), (1.0, *map(float, rest))
    falling = isfinite(sum(values)) and values == tuple(sorted(values, reverse=True)) and values[-1] >= 0
    if len(values) != len(positions(count)) or not falling:
        raise ValueError(f"{line!r} is not the spectrum of {count} singular values")
    return Spectrum(count, values)
