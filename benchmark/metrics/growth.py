"""Does a difference to a control grow with the size of the model? The claim is one about two differences, and has a test of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from benchmark.metrics.looks import looks
from benchmark.metrics.noise import Pool, Values
from benchmark.metrics.sequential import sequential_p
from benchmark.metrics.statistics import holm, t_quantile
from benchmark.metrics.verdicts import LEVEL, Key, t_tests

Growth = Literal["grows", "shrinks", "equal", "undecided"]


class Side(NamedTuple):
    """A method and its control at one size, and the noise of their cell."""

    method: Values
    control: Values
    pool: Pool  # of their differences: Noise.between of the cell
    max_seeds: int | None = None  # where it was looked at after every seed: up to so many

    @property
    def same(self) -> bool:
        """Whether the method is its control here: multi-embedding with one set is single embedding."""
        shared = self.method.keys() & self.control.keys()
        return len(shared) > 1 and all(self.method[seed] == self.control[seed] for seed in shared)


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """(method − control) at the large size less the same at the small one: mean over the seeds that all four have. Where a
    method is its control with every seed that was tried, it is that with the others too."""

    mean: float
    low: float | None  # 95 % interval, not adjusted for the number of contrasts; None: no variance is known
    high: float | None
    n: int
    growth: Growth


def contrasts(pairs: Mapping[Key, tuple[Side, Side]], delta: float, level: float = LEVEL) -> dict[Key, Contrast]:
    """Key -> (large, small) -> what can be said; keys of which no seed has all four values are left out.

    A difference of one cell has the variance 2σ² / n of its two-way model (docs/mathematics.md, 5.1), and that of a method that is its
    control none. The two cells are independent given their seeds' means, which both differences take out; the degrees of freedom of the
    sum are Satterthwaite's (1946). "equal": within ± ``delta`` by two one-sided tests. Holm's rule goes over all pairs, for differences
    and equalities apart. Where seeds were added as long as verdicts were open, p are those of the look that the n seeds are (sequential_p),
    and seeds beyond the last look are left out, as of a board's verdicts.
    """
    found = {key: estimate for key, sides in pairs.items() if (estimate := _estimate(*sides)) is not None}
    tests = {key: _test(estimate, delta, _last_look(*pairs[key])) for key, estimate in found.items() if estimate.df}
    differ = holm({key: min(1.0, 2 * min(above, below)) for key, (above, below, _) in tests.items()})
    alike = holm({key: equal for key, (_, _, equal) in tests.items()})
    told: dict[Key, Contrast] = {}
    for key, (mean, se, df, n) in found.items():
        half = t_quantile(df, 0.975) * se if df else None
        growth: Growth = "undecided"
        if key in tests and differ[key] <= level:
            growth = "grows" if mean > 0 else "shrinks"
        elif key in tests and alike[key] <= level:
            growth = "equal"
        low, high = (None, None) if half is None else (mean - half, mean + half)
        told[key] = Contrast(mean=mean, low=low, high=high, n=n, growth=growth)
    return told


class _Estimate(NamedTuple):
    """Of a difference of differences."""

    mean: float
    se: float  # standard error of the mean
    df: int  # its degrees of freedom; 0: no variance is known
    n: int  # seeds


def _estimate(large: Side, small: Side) -> _Estimate | None:
    """None: no seed has all that it takes."""
    if not (_seeds(large) and _seeds(small)):
        return None
    # Where a method is its control, their difference is 0 with any seed, and without noise.
    noisy = [side for side in (large, small) if not side.same]
    seeds = set.intersection(*map(_seeds, noisy or (large, small)))
    if most := _last_look(large, small):
        seeds = {seed for seed in seeds if seed < most}
    if not seeds:
        return None
    n = len(seeds)
    mean = sum((1 if side is large else -1) * (side.method[seed] - side.control[seed]) for side in noisy for seed in sorted(seeds)) / n
    pools = [side.pool for side in noisy]
    if not pools:
        return _Estimate(mean, 0.0, 1, n)  # nothing is left to chance
    if not all(pool.df for pool in pools):
        return _Estimate(mean, 0.0, 0, n)
    return _Estimate(mean, (2 * sum(pool.variance for pool in pools) / n) ** 0.5, _satterthwaite(pools), n)


def _seeds(side: Side) -> set[int]:
    return {*side.method} & {*side.control}


def _satterthwaite(pools: Sequence[Pool]) -> int:
    """Degrees of freedom of the sum of the pools' variances, rounded down: (Σ v)² / Σ v²/df."""
    squares = sum(pool.variance**2 / pool.df for pool in pools)
    if not squares:
        return min(pool.df for pool in pools)
    # Of one pool, or of two equal ones, it is a whole number, which division may miss by a rounding.
    return int(sum(pool.variance for pool in pools) ** 2 / squares + 1e-6)


def _last_look(*sides: Side) -> int:
    """Its seeds; 0: nobody looked."""
    return max(side.max_seeds or 0 for side in sides)


def _test(found: _Estimate, delta: float, most: int) -> tuple[float, float, float]:
    """One-sided p for above and below 0, and that of equality; ``most``: seeds at the last look."""
    p = t_tests(found.mean, found.se, found.df, delta)
    if found.n not in looks(most) or not found.se:
        return p
    above, below, equal = (float(one) for one in sequential_p(np.array(p), found.n, looks(most)))
    return above, below, equal
