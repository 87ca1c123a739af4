"""What a few seeds say: means, and differences paired by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class Difference(NamedTuple):
    """Mean of the paired differences a − b with its confidence interval; low and high are None for a single pair."""

    mean: float
    low: float | None
    high: float | None
    n: int


def mean_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n − 1); the latter is None for a single value. Raises ValueError for none."""
    if not values:
        raise ValueError("the mean of no values")
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def paired_difference(a: Mapping[int, float], b: Mapping[int, float], confidence: float = 0.95) -> Difference | None:
    """a − b over the seeds that both have, with Student's t interval (n − 1 degrees of freedom). None where they share no seed.

    a, b: seed -> value. Pairing takes out what a seed does to both: the split of batches, the noise of the test sample.
    """
    differences = [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]
    if not differences:
        return None
    mean, sd = mean_sd(differences)
    n = len(differences)
    if sd is None:
        return Difference(mean, None, None, n)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * sd / n**0.5
    return Difference(mean, mean - half, mean + half, n)


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's ρ with average ranks for ties; None for fewer than 3 pairs or a constant side."""
    if len(x) < 3 or len(set(x)) == 1 or len(set(y)) == 1:
        return None
    return float(stats.spearmanr(x, y).statistic)
