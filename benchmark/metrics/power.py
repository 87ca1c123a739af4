"""How many seeds a verdict takes: the power of t tests by the noncentral t distribution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from benchmark.metrics.statistics import t_quantile

POWER = 0.8
MOST = 10_000  # seeds: the answer where no number is enough
LARGEST = 8192  # seeds that are looked at


def power_to_tell(difference: float, sd: float, n: int, level: float = 0.05, degrees: int = 1) -> float:
    """Power of the two-sided test of a paired difference over ``n`` seeds.

    sd: of a paired difference, which is √2 times the residual one of the two-way model; degrees: of freedom that each seed after the first
    adds: 1 for a pair by itself, the number of methods less one where the variance is pooled over a cell.
    """
    df = degrees * (n - 1)
    if df < 1:
        return 0.0
    limit, shift = -t_quantile(df, level / 2), abs(difference) * n**0.5 / sd
    return 1 - _below(limit, df, shift) + _below(-limit, df, shift)


def power_to_equate(difference: float, delta: float, sd: float, n: int, level: float = 0.05, degrees: int = 1) -> float:
    """Power of two one-sided tests to show that a difference lies within ± ``delta``, other arguments as of ``power_to_tell``.

    The chance that both reject is at least the sum of their powers less one, and this where neither is near 0 (Julious, Stat. Med. 2004).
    """
    df = degrees * (n - 1)
    if df < 1:
        return 0.0
    limit, scale = -t_quantile(df, level), n**0.5 / sd
    return max(0.0, _below(-limit, df, (difference - delta) * scale) - _below(limit, df, (difference + delta) * scale))


def _below(t: float, df: int, shift: float) -> float:
    """P(T < t) of a noncentral t. SciPy gives NaN where it is next to 0 or 1 (findings/scipy_noncentral_t_tail_is_nan.sh)."""
    found = float(special.nctdtr(df, shift, t))
    return float(t > shift) if np.isnan(found) else found


def seeds_to_tell(difference: float, sd: float, level: float = 0.05, degrees: int = 1, power: float = POWER) -> int:
    """The fewest seeds with which a difference is told from 0 with ``power``; ``MOST`` where no number up to ``LARGEST`` does."""
    if not difference:
        return MOST
    guess = _by_normal(abs(difference) / sd, level / 2, 1 - power, degrees)
    return _fewest(lambda n: power_to_tell(difference, sd, n, level, degrees), power, guess)


def difference_to_tell(sd: float, n: int, level: float = 0.05, power: float = POWER) -> float:
    """The smallest difference that ``n`` seeds tell from 0 with ``power``, alone (degrees 1); infinite where there is no variance yet."""
    if n < 2:
        return float("inf")
    low, high = 0.0, 1.0
    while power_to_tell(high, 1, n, level) < power:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if power_to_tell(middle, 1, n, level) >= power else (middle, high)
    return high * sd


def seeds_to_equate(difference: float, delta: float, sd: float, level: float = 0.05, degrees: int = 1, power: float = POWER) -> int:
    """The fewest seeds with which a difference is shown to lie within ± ``delta``; ``MOST`` where no number up to ``LARGEST`` does."""
    if abs(difference) >= delta:
        return MOST
    guess = _by_normal((delta - abs(difference)) / sd, level, (1 - power) / (1 if difference else 2), degrees)
    return _fewest(lambda n: power_to_equate(difference, delta, sd, n, level, degrees), power, guess)


def _by_normal(shift: float, level: float, miss: float, degrees: int) -> float:
    """About so many seeds by the normal distribution, one-sided ``level`` and error of the second kind ``miss``, with Guenther's correction
    for t (Am. Stat. 1981). ``shift``: in standard deviations of a pair.
    """
    limit = float(special.ndtri(level))
    ratio = (limit + float(special.ndtri(miss))) / shift
    return ratio * ratio + limit * limit / (2 * degrees)


def _fewest(power_of: Callable[[int], float], power: float, guess: float) -> int:
    """By growing steps from a guess, and bisection: power grows with n."""
    first, step = round(min(max(guess, 2), LARGEST)), 1
    if power_of(first) >= power:
        low, high = first - 1, first
        while low > 1 and power_of(low) >= power:
            step *= 2
            low, high = max(1, low - step), low
    else:
        low, high = first, min(first + step, LARGEST)
        while power_of(high) < power:
            if high == LARGEST:
                return MOST
            step *= 2
            low, high = high, min(high + step, LARGEST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= power else (middle, high)
    return high
