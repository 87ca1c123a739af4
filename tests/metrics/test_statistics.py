"""Means and paired differences against scipy's own test and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmark.metrics.statistics import (
    Difference,
    average_ranks,
    mean_sd,
    outcomes,
    paired_difference,
    rank_correlation,
    wilcoxon_holm,
)


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


def test_a_win_is_an_interval_above_zero() -> None:
    found = outcomes([Difference(1, 0.5, 1.5, 3), Difference(1, -0.5, 2.5, 3), Difference(-1, -2, -0.1, 3), Difference(9, None, None, 1)])
    assert found == (1, 2, 1)


# Demšar, JMLR 2006, table 6: C4.5 without and with tuned m, cf, both, on 14 data sets; the paper gives the ranks and the tests of them.
C45 = """.763 .768 .771 .798  .599 .591 .590 .569  .954 .971 .968 .967  .628 .661 .654 .657  .882 .888 .886 .898  .936 .931 .916 .931
.661 .668 .609 .685  .583 .583 .563 .625  .775 .838 .866 .875  1 1 1 1  .940 .962 .965 .962  .619 .666 .614 .669  .972 .981 .9751 .975
.957 .978 .946 .970"""


def test_average_ranks_equal_those_of_the_paper_that_introduced_them() -> None:
    values = np.array([float(v) for v in C45.split()]).reshape(14, 4)
    found = average_ranks([dict(zip("abcd", row, strict=True)) for row in values])
    assert found is not None
    assert [round(found.ranks[m], 3) for m in "abcd"] == [3.143, 2.0, 2.893, 1.964]
    assert found.distance == pytest.approx(1.25, abs=0.01)  # §3.2.2: CD = 2.569 √(4·5/(6·14))
    by_hand = 12 * 14 / (4 * 5) * (sum(r**2 for r in (3.143, 2.0, 2.893, 1.964)) - 4 * 5**2 / 4)
    assert by_hand == pytest.approx(9.28, abs=0.02)  # without the correction for ties
    assert found.statistic >= 9.27 and found.p == pytest.approx(stats.chi2.sf(found.statistic, 3))
    assert list(found.ranks) == ["d", "b", "c", "a"]


def test_average_ranks_of_too_little_and_of_equals() -> None:
    assert average_ranks([]) is None
    assert average_ranks([{"a": 1.0, "b": 2.0, "c": 3.0}]) is None
    assert average_ranks([{"a": 1.0, "b": 2.0}] * 5) is None
    equal = average_ranks([{"a": 1.0, "b": 1.0, "c": 1.0}] * 2)
    assert equal is not None and equal.p == 1 and set(equal.ranks.values()) == {2.0}
    with pytest.raises(ValueError, match="different methods"):
        average_ranks([{"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 1.0, "b": 1.0, "d": 1.0}])


def test_holm_steps_down() -> None:
    draw = np.random.default_rng(1)
    base = draw.normal(size=8)
    shifts = {"far": 3.0, "near": 0.3, "same": 0.0}
    noise = {name: draw.normal(size=8) if name == "near" else draw.normal(size=8) * 0.01 for name in shifts}
    scores = [{"control": base[i], **{name: base[i] + shift + noise[name][i] for name, shift in shifts.items()}} for i in range(8)]
    raw = {name: stats.wilcoxon([s[name] - s["control"] for s in scores]).pvalue for name in shifts}
    first, second, third = sorted(raw, key=lambda name: raw[name])
    expected = {first: 3 * raw[first]}
    expected[second] = max(expected[first], min(1, 2 * raw[second]))
    expected[third] = max(expected[second], raw[third])
    assert wilcoxon_holm(scores, "control") == pytest.approx(expected)
    assert wilcoxon_holm([{"control": 1.0, "a": 1.0}] * 3, "control") == {"a": 1.0}
    assert wilcoxon_holm([], "control") == {}
