"""Whether more seeds can still decide a comparison: predictive power (Spiegelhalter, Freedman and Blackburn, Control. Clin. Trials 1986).

Seeds that are left out for it cost power and make no verdict wrong: the bounds are those of somebody who would have gone on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from benchmark.metrics.sequential import Array, last_bound


def chance_of_verdict(
    mean: ArrayLike, sd: ArrayLike, df: ArrayLike, n: int, at: tuple[int, ...], tells: ArrayLike, equates: ArrayLike, delta: float
) -> Array:
    """The chance that the last look says *above*, *below* or *equal* of a row that is open at ``n`` seeds, elementwise.

    mean, sd, df: of its paired differences, as at this look; at: seeds at the looks, N at the last; tells, equates: the one-sided levels
    that the last look would have for a difference and for equality. Where nothing but the differences so far is known of the true one,
    their mean after N seeds is distributed as mean + sd √(1/n − 1/N) T, T of Student's t with ``df``. The last look decides by its own
    bound, with the degrees of freedom that all rows would have by then, and with the standard deviation of now: what more seeds will say of
    it is left out, which matters where few have spoken. So is that a look before the last decides: it seldom does.
    """
    last = at[-1]
    mean, sd, df = (np.asarray(values, float) for values in (mean, sd, df))
    df_last = df * (last - 1) / (n - 1)
    se = sd / last**0.5
    tell, equate = (-special.stdtrit(df_last, special.ndtr(-last_bound(levels, at))) * se for levels in (tells, equates))
    step = sd * (1 / n - 1 / last) ** 0.5
    within = np.maximum(delta - equate, 0)
    outside = special.stdtr(df, (mean - tell) / step) + special.stdtr(df, (-tell - mean) / step)
    inside = special.stdtr(df, (within - mean) / step) - special.stdtr(df, (-within - mean) / step)
    return np.asarray(np.minimum(1.0, outside + inside))
