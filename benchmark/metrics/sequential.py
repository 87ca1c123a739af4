"""Looking at a comparison after every seed without believing in it too soon: α spending (Lan and DeMets, Biometrika 1983)."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]

FAR = 8.0  # standard deviations below 0 from where on nothing of a path's density is left
SMALLEST, LARGEST, POINTS = 1e-10, 0.5, 80  # one-sided levels for which bounds are tabulated
LEAST = 1e-300  # of a p, and of what a look spends: with less its bound is that of this p, which next to nothing crosses


def spent(alpha: float, fraction: float) -> float:
    """One-sided α that is spent when ``fraction`` of the seeds is there: 2(1 − Φ(z_{α/2}/√t)), next to nothing early and α at the end.

    Lan and DeMets' α₁*, whose bounds are about O'Brien and Fleming's: a comparison that never stops early loses next to nothing by them.
    """
    return float(2 * ndtr(ndtri(alpha / 2) / fraction**0.5))


@lru_cache(maxsize=1024)
def bounds(alpha: float, at: tuple[int, ...]) -> tuple[float, ...]:
    """z_j: a standard normal statistic crosses z_j at some look j ≤ J with the probability ``spent`` by then, where there is no effect.

    at: seeds at the looks, ascending; the information fraction of a look is its seeds over the last one's. By integration of the density of
    paths that have not crossed (Armitage, McPherson and Rowe, JRSS A 1969), by Gauss-Legendre.
    """
    times = [n / at[-1] for n in at]
    count = max(96, round(16 * at[-1] ** 0.5))  # nodes: with N seeds a step of a path is 1/√N, and nodes must lie closer than that
    found = [float(-ndtri(max(spent(alpha, times[0]), LEAST)))]
    nodes, weight = _nodes(times[0], found[0], count)
    density = _normal(nodes / times[0] ** 0.5) / times[0] ** 0.5  # of the paths' places, z√t, that have not crossed yet
    for before, time in pairwise(times):
        step = (time - before) ** 0.5
        increment = spent(alpha, time) - spent(alpha, before)
        found.append(_limit(nodes, density * weight, step, increment) / time**0.5 if increment > LEAST else float(-ndtri(LEAST)))
        place, (nodes, new) = nodes, _nodes(time, found[-1], count)
        density, weight = _normal((nodes[:, None] - place) / step) @ (density * weight) / step, new
    return tuple(found)


def sequential_p(p: Array, look: int, at: tuple[int, ...]) -> Array:
    """One-sided p at a look -> the smallest one-sided level at which the bound of this look is crossed, elementwise.

    The least over the looks so far is a p-value whatever look one stops at (Liu and Anderson, Stat. Med. 2008), and so may go through
    Holm's rule. ``p`` may be of a t test: its level is then the bound's (Jennison and Turnbull 2000, §4.4). Values above .5 are 1.
    """
    levels, limits = _table(at)
    here = limits[at.index(look)]
    z = -ndtri(np.maximum(p, LEAST))
    return np.asarray(np.where(z < here[0], 1.0, ndtr(-np.interp(z, here, levels))))


def last_bound(levels: ArrayLike, at: tuple[int, ...]) -> Array:
    """z that a comparison must cross at the last look for these one-sided levels, elementwise."""
    tabulated, limits = _table(at)
    return np.asarray(np.interp(-ndtri(levels), tabulated, limits[-1]))


@lru_cache(maxsize=16)
def _table(at: tuple[int, ...]) -> tuple[Array, Array]:
    """z of one-sided levels, ascending (P,), and the bounds at each look for them (J, P)."""
    levels = np.linspace(-ndtri(LARGEST), -ndtri(SMALLEST), POINTS)
    return levels, np.array([bounds(float(ndtr(-z)), at) for z in levels]).T


def _normal(z: Array) -> Array:
    return np.asarray(np.exp(-(z**2) / 2) / (2 * np.pi) ** 0.5)


def _nodes(time: float, limit: float, count: int) -> tuple[Array, Array]:
    """``count`` places of paths below the bound z = ``limit`` at ``time``, and their weights in an integral over them."""
    low, high = -FAR * time**0.5, limit * time**0.5
    nodes, weights = _gauss(count)
    return low + (high - low) / 2 * (nodes + 1), (high - low) / 2 * weights


@lru_cache(maxsize=16)
def _gauss(count: int) -> tuple[Array, Array]:
    """Gauss and Legendre's nodes and weights on [−1, 1]."""
    return np.polynomial.legendre.leggauss(count)


def _limit(place: Array, mass: Array, step: float, increment: float) -> float:
    """What paths from ``place`` cross with probability ``increment`` within a step."""
    from scipy.optimize import brentq  # a third of a second, for boards that were looked at seed by seed

    def excess(limit: float) -> float:
        return float(np.log(max(mass @ ndtr((place - limit) / step), 1e-320)) - np.log(increment))

    return float(brentq(excess, -FAR, 4 * FAR, xtol=1e-9))
