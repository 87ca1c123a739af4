"""The noise of a cell: one for its methods, and one of their own for those that are far louder or far quieter. docs/mathematics.md §5.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

Values = Mapping[int, float]  # seed -> value
ROUNDING = 1e-12  # of a residual
# Level of the tests that a method is louder, or a row quieter, than the rest, over all methods or rows of a cell. With a larger one too
# many verdicts are wrong where all have one noise.
OUT_OF_LINE = 0.001
# Level, of each row alone, at which one that may be quieter is left out of the noise of the others. It can be lax: that noise only grows.
LIGHT = 0.1


class Pool(NamedTuple):
    variance: float  # σ̂², of a residual: half of a paired difference's; NaN where df is 0
    df: int
    methods: int  # that it is of


class Noise(NamedTuple):
    """Of one cell."""

    shared: Pool  # of the methods that are in line with each other
    loud: frozenset[str] = frozenset()  # the names of those with more noise
    quiet: frozenset[str] = frozenset()  # the names of those that follow the control so closely that their pairs have far less

    def between(self, row: str, control: str, differences: Sequence[float]) -> Pool:
        """Half the variance of ``differences``, the row's paired ones to its control: that of the methods in line, or, where the row is
        quiet or one of the two is loud, of these alone."""
        if row not in self.quiet and self.loud.isdisjoint((row, control)):
            return self.shared
        n = len(differences)
        return Pool(float(np.var(differences, ddof=1)) / 2 if n > 1 else float("nan"), max(n - 1, 0), 2)


def cell_noise(values: Mapping[str, Values], control: str) -> Noise:
    """Which methods are louder than the rest, which rows are quieter, and the residual variance of those in line.

    That of y = μ_method + β_seed + ε, by least squares; NaN with 0 degrees of freedom. values: method -> seed -> value; any seed may be
    absent anywhere. Methods that give the same numbers count as one: multi-embedding with one set is single embedding, and its residuals
    are no evidence of their own; also where one of them stopped after fewer seeds.

    Under one variance for all, what a method adds to the residual sum of squares of the others is independent of theirs, so that F tests
    it; in a table without gaps that is a test of the kind of Cochran's C (Ann. Eugen. 11, 1941). The level OUT_OF_LINE is Bonferroni's over
    the methods. The noisiest is left out and the rest asked again, down to two.

    Then the rows that follow ``control``: a mitigation that hardly changes training has its control's noise seed by seed, so that its
    residuals, like those of a copy, are hardly evidence of their own, and the noise of pairs comes out too small for the others and too
    large for itself. Rows with a p of ``less_noise`` of at most LIGHT are left out, all together, where the noise becomes larger for it. Of
    these those are quiet whose p beside that noise is at most OUT_OF_LINE, Bonferroni's over the rows. No row is where the control is
    loud or has no values.
    """
    kept = _distinct(values)
    loud: set[str] = set()
    whole = _residual(kept)
    while len(kept) > 2:
        noisiest, p = _noisiest(kept, whole)
        if p * len(kept) > OUT_OF_LINE:
            break
        loud |= kept.pop(noisiest)[0]
        whole = _residual(kept)
    followed = next((known for names, known in kept if control in names), None)
    if followed is None:
        return Noise(whole, frozenset(loud))
    pairs = [[known[seed] - followed[seed] for seed in known.keys() & followed.keys()] for _, known in kept]
    light = {place for place, own in enumerate(pairs) if less_noise(own, whole) <= LIGHT}
    rest = _residual([one for place, one in enumerate(kept) if place not in light])
    shared = rest if rest.variance > whole.variance else whole
    quiet = [kept[place][0] for place in light if less_noise(pairs[place], shared) * (len(kept) - 1) <= OUT_OF_LINE]
    return Noise(shared, frozenset(loud), frozenset().union(*quiet))


_Kept = list[tuple[set[str], dict[int, float]]]  # names of one method, and its values


def _noisiest(kept: _Kept, whole: Pool) -> tuple[int, float]:
    """The place of the method with the smallest p of ``_of_more``, and that p. ``whole``: the residual of all."""
    table = _table(kept)
    # Without gaps all methods add as many degrees of freedom, and the same multiple of their own residuals' sum of squares.
    places = range(len(kept)) if table is None else [int((_residuals(table) ** 2).sum(1).argmax())]
    p = {place: _of_more(whole, _residual([*kept[:place], *kept[place + 1 :]])) for place in places}
    noisiest = min(p, key=p.__getitem__)
    return noisiest, p[noisiest]


def _of_more(whole: Pool, rest: Pool) -> float:
    """p of as large a variance of what the whole has more than the rest, if all have one; 1 where it cannot be asked."""
    more = whole.df - rest.df
    if not more or not rest.df or not rest.variance:
        return 1.0
    added = (whole.variance * whole.df - rest.variance * rest.df) / more
    return float(special.fdtrc(more, rest.df, max(added, 0.0) / rest.variance))


def less_noise(differences: Sequence[float], pool: Pool) -> float:
    """p of as small a variance of a row's paired differences, if they have the noise of its cell, ``pool``; 1 where it cannot be asked.

    F of the two variances, lower tail. Its control's values are in the pool, too, and mostly its own, which makes p a little too large.
    """
    variance = float(np.var(differences, ddof=1)) if len(differences) > 1 else 0.0
    if variance <= ROUNDING**2 or not pool.df or not pool.variance:
        return 1.0
    return float(special.fdtr(len(differences) - 1, pool.df, variance / (2 * pool.variance)))


def _residual(kept: _Kept) -> Pool:
    table = _table(kept)
    if table is not None:
        rest, df = _residuals(table), (table.shape[0] - 1) * (table.shape[1] - 1)
    else:
        y = np.array([value for _, known in kept for value in known.values()])
        y = y - y.mean() if len(y) else y
        basis = _basis(tuple(tuple(known) for _, known in kept))
        rest, df = y - basis @ (basis.T @ y), basis.shape[0] - basis.shape[1]
    rest[np.abs(rest) < ROUNDING] = 0
    return Pool(float((rest**2).sum()) / df if df else float("nan"), df, len(kept))


def _table(kept: _Kept) -> NDArray[np.float64] | None:
    """(methods, seeds) where all have the same seeds, as mostly; None where there are gaps."""
    seeds = [tuple(known) for _, known in kept]
    return np.array([[*known.values()] for _, known in kept]) if kept and seeds.count(seeds[0]) == len(seeds) else None


def _residuals(table: NDArray[np.float64]) -> NDArray[np.float64]:
    rest: NDArray[np.float64] = table - table.mean(0)
    rest -= rest.mean(1, keepdims=True)
    return rest


def _distinct(values: Mapping[str, Values]) -> _Kept:
    """Those that agree in all of several common seeds are one, which has the seeds of both. Seeds in their order."""
    same: dict[tuple[tuple[int, float], ...], set[str]] = {}
    for name, known in values.items():
        if known:
            same.setdefault(tuple(sorted(known.items())), set()).add(name)
    found: _Kept = []
    for canonical in sorted(same, key=len, reverse=True):
        known = dict(canonical)
        for names, other in found:
            common = known.keys() & other.keys()
            if len(common) > 1 and all(known[seed] == other[seed] for seed in common):
                other |= known
                names |= same[canonical]
                break
        else:
            found.append((same[canonical], known))
    return [(names, dict(sorted(known.items()))) for names, known in found]


@lru_cache(maxsize=1024)  # mostly the same in thousands of cells
def _basis(seeds: tuple[tuple[int, ...], ...]) -> NDArray[np.float64]:
    """(values, rank), orthonormal: what effects of methods and of seeds can make of the values. seeds: of each method."""
    columns = {seed: len(seeds) + place for place, seed in enumerate(sorted(set().union(*seeds)))}
    values = [(method, columns[seed]) for method, known in enumerate(seeds) for seed in known]
    design = np.zeros((len(values), len(seeds) + len(columns)))
    for line, places in enumerate(values):
        design[line, places] = 1
    left, singular, _ = np.linalg.svd(design, full_matrices=False)
    return left[:, singular > 1e-9]


def unequal_noise(values: Mapping[str, Values]) -> float:
    """p of Bartlett's test that the methods of a cell have one residual variance, over the seeds that all have; 1 where it cannot be asked:
    of fewer than three seeds, or of fewer than three methods with numbers of their own.

    The methods' residuals share the seeds' means, which makes p a little too large.
    """
    distinct = [known for _, known in _distinct(values)]
    seeds: set[int] = set.intersection(*map(set, distinct)) if distinct else set()
    if len(seeds) < 3 or len(distinct) < 3:
        return 1.0
    table: NDArray[Any] = np.array([[known[seed] for seed in seeds] for known in distinct])
    rest = table - table.mean(0)
    if not (rest.std(1) > ROUNDING).all():
        return 1.0
    methods, n = rest.shape
    variances = rest.var(1, ddof=1)
    statistic = (n - 1) * (methods * np.log(variances.mean()) - np.log(variances).sum())
    statistic /= 1 + (methods + 1) / (3 * methods * (n - 1))
    return float(special.chdtrc(methods - 1, statistic))
