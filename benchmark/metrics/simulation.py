"""Boards drawn at random, thousands at once: how often verdicts are wrong, how often they come, and how many seeds they take.

The rules are those of benchmark/metrics/verdicts.py and noise.py, written for arrays; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from benchmark.metrics.futility import chance_of_verdict
from benchmark.metrics.looks import FIRST_LOOK, looks
from benchmark.metrics.noise import LIGHT, OUT_OF_LINE
from benchmark.metrics.sequential import sequential_p
from benchmark.metrics.verdicts import LEVEL

Array = NDArray[np.float64]
AT_ONCE = 1000  # boards, for the sake of memory
ABOVE, BELOW, EQUAL, UNDECIDED = 1, -1, 2, 0


@dataclass(frozen=True, kw_only=True)
class Design:
    """A board: so many cells, each a control and methods whose differences to it are ``differences``, (methods,); seeds without looks, or
    looked at after each."""

    cells: int
    differences: tuple[float, ...]
    seeds: int  # at most
    sd: float  # of a paired difference
    sequential: bool
    delta: float
    level: float = LEVEL
    futility: float = 0.0  # no more seeds for a row that its last look decides with a smaller chance
    sd_ratio: float = 1.0  # of the last method's residuals over the others': the model says 1
    alike: float = 0.0  # correlation of the first half of the methods with the control, beyond what a seed does to all: the model says 0


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """Of each row of each board, (boards, cells, methods)."""

    verdict: NDArray[np.int64]  # ABOVE, BELOW, EQUAL, UNDECIDED
    seeds: NDArray[np.int64]
    design: Design

    def false_differences(self) -> float:
        """Share of the boards on which at least one row without a difference is said to have one, or one of the wrong sign."""
        truth = np.sign(self.design.differences)
        told = np.abs(self.verdict) == 1
        return float((told & (self.verdict != truth)).any((1, 2)).mean())

    def false_equalities(self) -> float:
        """Share of the boards on which at least one row with a difference of δ or more is said to be equal."""
        apart = np.abs(self.design.differences) >= self.design.delta
        return float(((self.verdict == EQUAL) & apart).any((1, 2)).mean())

    def told(self) -> float:
        """Share of the rows with a difference that are said to have it: the power of a row."""
        truth = np.sign(self.design.differences)
        return float((self.verdict == truth)[..., truth != 0].mean()) if truth.any() else float("nan")

    def equated(self) -> float:
        """Share of the rows without a difference that are said to be equal."""
        same = np.array(self.design.differences) == 0
        return float((self.verdict == EQUAL)[..., same].mean()) if same.any() else float("nan")

    def trainings(self) -> float:
        """Of a board in the mean, controls included: a control has as many seeds as any of its rows."""
        return float((self.seeds.sum((1, 2)) + self.seeds.max(2).sum(1)).mean())


def simulate(design: Design, boards: int, seed: int = 0) -> Verdicts:
    """Verdicts on ``boards`` boards: normal residuals, an estimated variance and so t tests, Holm's rule over the board."""
    draw = np.random.default_rng(seed)
    parts = [_judged(_values(design, min(AT_ONCE, boards - start), draw), design) for start in range(0, boards, AT_ONCE)]
    verdict, seeds = (np.concatenate(found) for found in zip(*parts, strict=True))
    return Verdicts(verdict=verdict, seeds=seeds, design=design)


def _values(design: Design, boards: int, draw: np.random.Generator) -> Array:
    """(boards, cells, control and methods, seeds). Effects of seeds are left out: they cancel in every quantity that is computed."""
    methods = len(design.differences)
    scale = np.full(methods + 1, design.sd / 2**0.5)
    scale[-1] *= design.sd_ratio
    residuals = draw.normal(size=(boards, design.cells, methods + 1, design.seeds))
    light = slice(1, 1 + methods // 2)
    residuals[:, :, light] = design.alike * residuals[:, :, :1] + (1 - design.alike**2) ** 0.5 * residuals[:, :, light]
    residuals *= scale[:, None]
    return np.asarray(residuals + np.array([0.0, *design.differences])[:, None])


def _judged(y: Array, design: Design) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    at = looks(design.seeds) if design.sequential else (design.seeds,)
    difference = y[:, :, 1:] - y[:, :, :1]
    shape = difference.shape[:3]
    p = np.ones((3, *shape))  # one-sided: above, below, equal
    verdict, seeds = np.zeros(shape, np.int64), np.full(shape, FIRST_LOOK)
    futile = np.zeros(shape, np.bool_)
    for n in at:
        free = (verdict == UNDECIDED) & ~futile
        seeds[free] = n
        variance, df = _noise(y, seeds)
        mean = difference[..., :n].mean(3)
        scale = (2 * variance / n) ** 0.5
        one_sided = [mean / scale, -mean / scale, (design.delta - np.abs(mean)) / scale]
        for which, t in enumerate(one_sided):
            now = np.asarray(stats.t.sf(t[free], df[free]))
            now = sequential_p(now, n, at) if design.sequential else now
            p[which][free] = np.minimum(p[which][free], now)
        adjusted = _holm(np.minimum(1, 2 * p[:2].min(0))), _holm(p[2])
        told = (verdict == UNDECIDED) & (adjusted[0] <= design.level)
        verdict[told] = np.where(p[0] < p[1], ABOVE, BELOW)[told]
        verdict[(verdict == UNDECIDED) & (adjusted[1] <= design.level)] = EQUAL
        if design.futility and n < at[-1]:
            levels = [design.level / np.maximum(1, (found > design.level).sum((1, 2), keepdims=True)) for found in adjusted]
            chance = chance_of_verdict(mean, (2 * variance) ** 0.5, df, n, at, levels[0] / 2, levels[1], design.delta)
            futile |= free & (verdict == UNDECIDED) & (chance < design.futility)
    return verdict, seeds


def _noise(y: Array, seeds: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64]]:
    """Half the variance of a paired difference and its degrees of freedom, (boards, cells, methods), where row m has its first ``seeds``
    seeds: its cell's, or that of its own pairs where it is out of line, or the control is loud."""
    length = np.concatenate([seeds.max(2, keepdims=True), seeds], 2)
    squares, df = _pooled(y, length)
    here = np.argwhere(df > 0)  # cells in which there may be one more that is out of line
    while len(here):
        board, cell = here.T
        some, lengths = y[board, cell][:, None], length[board, cell][:, None]
        rests = [_pooled(some, np.where(np.arange(y.shape[2]) == method, 0, lengths)) for method in range(y.shape[2])]
        rest, rest_df = (np.stack([one[which][:, 0] for one in rests], 1) for which in (0, 1))
        more = df[board, cell][:, None] - rest_df
        kept = (lengths[:, 0] > 0).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            f = np.maximum(squares[board, cell][:, None] - rest, 0) / more / (rest / rest_df)
        asked = (lengths[:, 0] > 0) & (more > 0) & (rest_df > 0) & (kept > 2)[:, None]
        p = np.where(asked, special.fdtrc(more, rest_df, np.where(asked, f, 0)), 1)
        noisiest = p.argmin(1)
        each = np.arange(len(here))
        out = p[each, noisiest] * kept <= OUT_OF_LINE
        board, cell, noisiest, each = board[out], cell[out], noisiest[out], each[out]
        length[board, cell, noisiest] = 0
        squares[board, cell], df[board, cell] = rest[each, noisiest], rest_df[each, noisiest]
        here = here[out]
    own = (length[..., 1:] == 0) | (length[..., :1] == 0)
    difference = y[:, :, 1:] - y[:, :, :1]  # from here on: rows that follow their control
    there = np.arange(y.shape[3]) < seeds[..., None]
    centre = np.where(there, difference, 0).sum(3, keepdims=True) / seeds[..., None]
    pairs = (np.where(there, difference - centre, 0) ** 2).sum(3) / (seeds - 1) / 2
    rows = (length > 0).sum(2)[..., None] - 1  # in line
    light = ~own & (_less(pairs, seeds, squares, df) <= LIGHT)
    rest, rest_df = _pooled(y, np.concatenate([length[..., :1], np.where(light, 0, length[..., 1:])], 2))
    larger = rest * df > squares * rest_df
    squares, df = np.where(larger, rest, squares), np.where(larger, rest_df, df)
    own |= light & (_less(pairs, seeds, squares, df) * rows <= OUT_OF_LINE)
    return np.where(own, pairs, (squares / df)[..., None]), np.where(own, seeds - 1, df[..., None])


def _less(pairs: Array, seeds: NDArray[np.int64], squares: Array, df: NDArray[np.int64]) -> Array:
    """``noise.less_noise`` of rows whose pairs have half the variance ``pairs``, (boards, cells, methods)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(special.fdtr(seeds - 1, df[..., None], pairs / (squares / df)[..., None]))


def _pooled(y: Array, length: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64]]:
    """Residual sum of squares and degrees of freedom of each cell, (boards, cells), where a method, the control among them, has its first
    ``length`` seeds, none or two at the least.

    The methods in the order of their seeds, the longest first, are turned into orthonormal contrasts of each with the mean of those before
    it (Helmert): they are independent, free of the seeds' effects, and the contrast of a method is there for all of its seeds.
    """
    order = np.argsort(-length, axis=2, kind="stable")
    ordered = np.take_along_axis(y, order[..., None], 2)
    length = np.take_along_axis(length, order, 2)[..., 1:]
    count = np.arange(1, y.shape[2])
    before = np.cumsum(ordered, 2)[:, :, :-1] / count[:, None]
    contrast = (before - ordered[:, :, 1:]) * ((count / (count + 1)) ** 0.5)[:, None]
    there = np.arange(y.shape[3]) < length[..., None]
    centre = np.where(there, contrast, 0).sum(3, keepdims=True) / np.maximum(length, 1)[..., None]
    squares = (np.where(there, contrast - centre, 0) ** 2).sum((2, 3))
    return squares, np.maximum(length - 1, 0).sum(2)


def _holm(p: Array) -> Array:
    """p adjusted over the rows of each board."""
    flat = p.reshape(len(p), -1)
    order = np.argsort(flat, axis=1, kind="stable")
    steps = np.take_along_axis(flat, order, 1) * (flat.shape[1] - np.arange(flat.shape[1]))
    adjusted = np.empty_like(flat)
    np.put_along_axis(adjusted, order, np.minimum(1, np.maximum.accumulate(steps, 1)), 1)
    return adjusted.reshape(p.shape)
