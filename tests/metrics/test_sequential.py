"""Bounds against published ones, a multivariate normal and paths drawn at random."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmark.metrics import sequential
from benchmark.metrics.looks import MOST_SEEDS, looks
from benchmark.metrics.sequential import SMALLEST, bounds, sequential_p, spent


def test_bounds_equal_the_published_ones() -> None:
    """O'Brien-Fleming-like spending, one-sided .025, five looks equally far apart: Proschan, Lan and Wittes 2006, table 5.1."""
    assert bounds(0.025, (1, 2, 3, 4, 5)) == pytest.approx((4.877, 3.357, 2.680, 2.290, 2.031), abs=1e-3)


def test_one_look_is_no_look() -> None:
    assert bounds(0.025, (7,)) == pytest.approx((stats.norm.isf(0.025),))
    assert spent(0.03, 1) == pytest.approx(0.03)


def test_what_is_crossed_by_a_look_is_what_is_spent() -> None:
    alpha, at = 0.025, looks(5)
    found = bounds(alpha, at)
    covariance = np.array([[(min(a, b) / max(a, b)) ** 0.5 for b in at] for a in at])
    for j in range(1, len(at) + 1):
        inside = stats.multivariate_normal(np.zeros(j), covariance[:j, :j], abseps=1e-6, releps=1e-6).cdf(np.array(found[:j]))
        assert 1 - inside == pytest.approx(spent(alpha, at[j - 1] / at[-1]), abs=5e-6)


def test_paths_without_an_effect_cross_at_the_level() -> None:
    draw = np.random.default_rng(0)
    at = looks(8)
    z = np.cumsum(draw.normal(size=(400_000, 8)), 1)[:, 1:] / np.sqrt(at)
    assert (z > bounds(0.05, at)).any(1).mean() == pytest.approx(0.05, abs=1e-3)


@pytest.mark.parametrize("most", [2, 3, 8, 20])
def test_a_p_crosses_a_bound_where_its_level_says(most: int) -> None:
    at = looks(most)
    for alpha in (0.3, 0.05, 0.0123, 0.0007, 1e-6):
        for n, bound in zip(at, bounds(alpha, at), strict=True):
            assert float(sequential_p(np.array(stats.norm.sf(bound)), n, at)) == pytest.approx(alpha, rel=1e-3)


def test_a_p_is_never_made_smaller_and_keeps_its_order() -> None:
    p = np.array([0.0, 1e-12, 1e-5, 0.01, 0.2, 0.49, 0.51, 1.0])
    for n in looks(8):
        found = sequential_p(p, n, looks(8))
        assert (np.diff(found) >= 0).all() and (found >= p - 1e-9).all() and found[-1] == 1


@pytest.mark.parametrize("most", [60, 80, MOST_SEEDS])
def test_looks_that_may_spend_nothing_have_bounds_all_the_same(most: int) -> None:
    """With 2 of 80 seeds the share of the smallest level is below what a float holds."""
    found = np.array(bounds(SMALLEST, looks(most)))
    assert np.isfinite(found).all() and (found <= stats.norm.isf(sequential.LEAST) + 1e-9).all()
    assert found[-1] == pytest.approx(stats.norm.isf(SMALLEST), abs=0.2) and (np.diff(found) <= 1e-9).all()


def test_nodes_lie_close_enough_for_many_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = sequential._gauss
    found = bounds(0.025, looks(MOST_SEEDS))
    monkeypatch.setattr(sequential, "_gauss", lambda count: nodes(2 * count))
    assert bounds.__wrapped__(0.025, looks(MOST_SEEDS)) == pytest.approx(found, abs=1e-6)
