"""Does a difference to a control grow with the size of the model? The claim is one about two differences, and has a test of its own."""

from __future__ import annotations

from collections.abc import Mapping
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
    found = {key: one for key, (large, small) in pairs.items() if (one := _one(large, small)) is not None}
    tests = {key: _test(found[key], delta, *pairs[key]) for key in found if found[key][2]}
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


def _test(found: tuple[float, float, int, int], delta: float, large: Side, small: Side) -> tuple[float, float, float]:
    mean, se, df, n = found
    p = t_tests(mean, se, df, delta)
    most = _most(large, small)
    if n not in looks(most) or not se:
        return p
    above, below, equal = (float(one) for one in sequential_p(np.array(p), n, looks(most)))
    return above, below, equal


def _most(*sides: Side) -> int:
    """Seeds at the last look; 0: nobody looked."""
    return max(side.max_seeds or 0 for side in sides)


def _one(large: Side, small: Side) -> tuple[float, float, int, int] | None:
    """Mean, standard error, its degrees of freedom (0: not known) and seeds."""
    # Where it is its control, the difference is 0 with any seed.
    sides = [side for side in (large, small) if not side.same] or [large, small]
    seeds = set.intersection(*({*side.method} & {*side.control} for side in sides))
    if most := _most(large, small):
        seeds = {seed for seed in seeds if seed < most}
    if not seeds or not (large.method.keys() & large.control.keys() and small.method.keys() & small.control.keys()):
        return None
    n = len(seeds)
    mean = sum((1 if side is large else -1) * (side.method[s] - side.control[s]) for side in sides for s in sorted(seeds)) / n
    pools = [side.pool for side in (large, small) if not side.same]
    if not pools:
        return mean, 0.0, 1, n  # nothing is left to chance
    if not all(pool.df for pool in pools):
        return mean, 0.0, 0, n
    total = sum(pool.variance for pool in pools)
    squares = sum(pool.variance**2 / pool.df for pool in pools)
    return mean, (2 * total / n) ** 0.5, max(1, int(total**2 / squares)) if squares else min(pool.df for pool in pools), n
