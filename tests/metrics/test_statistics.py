"""Means and paired differences against scipy's own test and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmark.metrics.statistics import mean_sd, paired_difference, rank_correlation


def test_paired_difference_equals_scipy() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.normal(0.1, 1, 7), draw.normal(0, 1, 7)
    found = paired_difference(dict(enumerate(a)), dict(enumerate(b)), 0.9)
    interval = stats.ttest_rel(a, b).confidence_interval(0.9)
    assert found is not None
    assert found == pytest.approx((np.mean(a - b), interval.low, interval.high, 7))


def test_pairs_are_made_by_seed() -> None:
    found = paired_difference({3: 1.0, 1: 5.0, 9: 2.0}, {1: 4.0, 9: 0.0, 2: 100.0})
    assert found is not None
    assert (found.mean, found.n) == (1.5, 2)
    assert found.high == pytest.approx(1.5 + 12.7062047364 * 0.5)  # t(.975, 1 degree) · sd/√2, sd = √.5


def test_one_pair_has_no_interval_and_no_pair_no_difference() -> None:
    assert paired_difference({0: 2.0}, {0: 0.5, 1: 7.0}) == (1.5, None, None, 1)
    assert paired_difference({0: 2.0}, {1: 0.5}) is None


def test_equal_pairs_have_a_point_interval() -> None:
    assert paired_difference({0: 1.0, 1: 2.0}, {0: 0.5, 1: 1.5}) == (0.5, 0.5, 0.5, 2)


def test_mean_sd() -> None:
    assert mean_sd([1.0, 3.0]) == pytest.approx((2.0, 2**0.5))
    assert mean_sd([4.0]) == (4.0, None)
    with pytest.raises(ValueError, match="no values"):
        mean_sd([])


def test_rank_correlation() -> None:
    assert rank_correlation([1, 2, 5], [10, 100, 101]) == pytest.approx(1)
    assert rank_correlation([1, 2, 5], [3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 2], [3, 2]) is None
    assert rank_correlation([1, 1, 1], [3, 2, 1]) is None
