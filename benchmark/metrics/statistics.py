"""What a few seeds and cells say: means, differences paired by seed, ranks over cells, and rank correlation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import fsum
from statistics import fmean
from typing import NamedTuple, TypeVar

import numpy as np
from scipy import special

Name = TypeVar("Name", str, tuple[str, str])


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
    n, mean = len(values), fmean(values)
    return mean, (fsum((value - mean) ** 2 for value in values) / (n - 1)) ** 0.5 if n > 1 else None


@lru_cache(maxsize=1 << 12)
def t_quantile(df: int, p: float) -> float:
    """Of Student's distribution. Boards ask for few different ones, thousands of times."""
    return float(special.stdtrit(df, p))


def paired_difference(a: Mapping[int, float], b: Mapping[int, float], confidence: float = 0.95) -> Difference | None:
    """a − b over the seeds that both have, with Student's t interval (n − 1 degrees of freedom). None where they share no seed.

    a, b: seed -> value. Pairing takes out what a seed does to both: the initial table, the order of batches. The interval speaks of seeds
    only: the test sample is the same for all of them, and what another one would give is in neither side.
    """
    differences = [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]
    if not differences:
        return None
    mean, sd = mean_sd(differences)
    n = len(differences)
    if sd is None:
        return Difference(mean, None, None, n)
    half = t_quantile(n - 1, (1 + confidence) / 2) * sd / n**0.5
    return Difference(mean, mean - half, mean + half, n)


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's ρ with average ranks for ties; None for fewer than 3 pairs or a constant side."""
    if len(x) < 3 or len(set(x)) == 1 or len(set(y)) == 1:
        return None
    from scipy import stats  # a second, and most boards do without

    return float(stats.spearmanr(x, y).statistic)


class Outcomes(NamedTuple):
    """How often a difference is told apart from 0 by its interval: above it, not at all, below it."""

    wins: int
    ties: int
    losses: int


def outcomes(differences: Iterable[Difference]) -> Outcomes:
    """A win (loss) is a difference whose whole interval lies above (below) 0; one without an interval is a tie."""
    counted = [0, 0, 0]
    for difference in differences:
        above = difference.low is not None and difference.low > 0
        below = difference.high is not None and difference.high < 0
        counted[0 if above else 2 if below else 1] += 1
    return Outcomes(*counted)


class Ranking(NamedTuple):
    """Methods over cells. ``distance``: average ranks further apart than this differ at the level asked for (Nemenyi)."""

    ranks: Mapping[str, float]  # method -> average rank, 1 the best; ascending
    statistic: float  # Friedman's χ², k − 1 degrees of freedom
    p: float
    distance: float
    cells: int


def average_ranks(scores: Sequence[Mapping[str, float]], level: float = 0.05) -> Ranking | None:
    """Friedman's test of k methods over n cells, and Nemenyi's critical difference q √(k(k+1)/6n) (Demšar, JMLR 2006, eq. 6 and §3.2.2).

    scores: for each cell, method -> score, higher being better; the same methods in every cell. Ties share their average rank. None for
    fewer than 3 methods or 2 cells. Raises ValueError where cells have different methods.
    """
    from scipy import stats

    if not scores or len(scores) < 2 or len(scores[0]) < 3:
        return None
    methods = sorted(scores[0])
    if any(sorted(cell) != methods for cell in scores):
        raise ValueError("cells have different methods")
    table = np.array([[cell[method] for method in methods] for cell in scores])
    n, k = table.shape
    means = stats.rankdata(-table, axis=1).mean(0)
    if (table == table[:, :1]).all():
        statistic, p = 0.0, 1.0  # no method differs from another anywhere: the corrected statistic would be 0/0
    else:
        statistic, p = (float(value) for value in stats.friedmanchisquare(*table.T))
    q = float(stats.studentized_range.ppf(1 - level, k, np.inf)) / 2**0.5
    ranks = {methods[i]: float(means[i]) for i in np.argsort(means, kind="stable")}
    return Ranking(ranks, statistic, p, q * (k * (k + 1) / (6 * n)) ** 0.5, n)


def wilcoxon_holm(scores: Sequence[Mapping[str, float]], control: str) -> dict[str, float]:
    """Method -> p of Wilcoxon's signed-rank test against ``control`` over the cells, adjusted by Holm's step-down rule.

    scores as for ``average_ranks``. Equal scores in every cell: p = 1. With n cells no p is below 2^(1 − n) before the adjustment.
    """
    from scipy import stats

    others = sorted(set(scores[0]) - {control}) if scores else []
    raw: dict[str, float] = {}
    for method in others:
        differences = [cell[method] - cell[control] for cell in scores]
        raw[method] = float(stats.wilcoxon(differences, zero_method="zsplit").pvalue) if any(differences) else 1.0
    return holm(raw)


def holm(p: Mapping[Name, float]) -> dict[Name, float]:
    """p adjusted by Holm's step-down rule (Scand. J. Stat. 1979)."""
    adjusted: dict[Name, float] = {}
    largest = 0.0
    for position, key in enumerate(sorted(p, key=lambda k: p[k])):
        largest = max(largest, min(1.0, (len(p) - position) * p[key]))
        adjusted[key] = largest
    return adjusted
