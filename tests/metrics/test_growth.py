"""Whether a gain grows with size: Welch's test is the reference where a cell has two methods, and simulation where nothing is true."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmark.metrics.growth import Side, _satterthwaite, contrasts
from benchmark.metrics.noise import Pool, cell_noise

KEY = ("place", "row")
DELTA = 0.0003


def shared_noise(values: Any) -> Pool:
    return cell_noise(values, "").shared


def side(rng: np.random.Generator, n: int, gain: float, sd: float = 0.001) -> Side:
    """A cell of two methods, whose seeds move both."""
    seeds = rng.normal(0.8, 0.01, n)
    method, control = (dict(enumerate(seeds + shift + rng.normal(0, sd, n))) for shift in (gain, 0.0))
    return Side(method, control, shared_noise({"a": method, "b": control}))


def paired(one: Side) -> np.ndarray:
    return np.array([one.method[seed] - one.control[seed] for seed in sorted(one.method)])


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_with_two_methods_a_cell_it_is_welchs_test(n: int) -> None:
    rng = np.random.default_rng(n)
    large, small = side(rng, n, 0.002), side(rng, n, 0.0, sd=0.003)
    found = contrasts({KEY: (large, small)}, DELTA)[KEY]
    a, b = paired(large), paired(small)
    welch = stats.ttest_ind(a, b, equal_var=False)
    se = np.sqrt(a.var(ddof=1) / n + b.var(ddof=1) / n)
    assert found.mean == pytest.approx(a.mean() - b.mean()) and found.n == n
    assert found.low is not None and found.high is not None
    df = max(1, int(welch.df + 1e-9))  # whole degrees of freedom, never more than Satterthwaite's
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, df) * se)


def test_a_method_that_is_its_control_at_the_small_size_adds_no_noise() -> None:
    rng = np.random.default_rng(0)
    large, small = side(rng, 5, 0.01), side(rng, 5, 0.0, sd=0.05)
    same = small._replace(method=small.control)
    found = contrasts({KEY: (large, same)}, DELTA)[KEY]
    low, high = stats.ttest_1samp(paired(large), 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high)) and found.growth == "grows"
    fewer = same._replace(method={seed: same.method[seed] for seed in (0, 1)})  # its seeds stop where that is clear
    assert contrasts({KEY: (large, fewer)}, DELTA)[KEY] == found
    assert contrasts({KEY: (large, same._replace(method={7: 0.8}))}, DELTA) == {}
    turned = contrasts({KEY: (same, large)}, DELTA)[KEY]
    assert turned.mean == -found.mean and turned.growth == "shrinks"
    neither = contrasts({KEY: (same, same)}, DELTA)[KEY]
    assert (neither.mean, neither.low, neither.high, neither.growth) == (0, 0, 0, "equal")


def test_no_degree_of_freedom_is_lost_to_rounding() -> None:
    """One noise has its own, and two equal ones have both theirs together, whatever v² / (v² / df) is as a float."""
    rng = np.random.default_rng(6)
    for df in range(1, 60):
        for variance in rng.random(20) * 1e-5:
            pool = Pool(float(variance), df, 2)
            assert (_satterthwaite([pool]), _satterthwaite([pool, pool])) == (df, 2 * df)
            assert _satterthwaite([pool, pool._replace(variance=pool.variance * 1e9)]) == df, "the least that it can be"


def test_only_seeds_that_all_four_have_count_and_one_is_not_enough() -> None:
    rng = np.random.default_rng(1)
    large, small = side(rng, 3, 0.01), side(rng, 5, 0.0)
    two = small._replace(control={seed: value for seed, value in small.control.items() if seed != 0})
    assert contrasts({KEY: (large, two)}, DELTA)[KEY].n == 2
    assert contrasts({KEY: (large, small._replace(control={7: 0.8}))}, DELTA) == {}
    lone = Side({0: 0.9}, {0: 0.8}, shared_noise({"a": {0: 0.9}, "b": {0: 0.8}}))
    found = contrasts({KEY: (lone, lone._replace(method={0: 0.7}))}, DELTA)[KEY]
    assert (found.low, found.high, found.growth) == (None, None, "undecided") and found.mean == pytest.approx(0.2)


def test_where_nothing_grows_five_boards_in_a_hundred_say_so_at_most() -> None:
    rng = np.random.default_rng(2)
    boards, contrasts_each = 1000, 4
    wrong = 0
    for _ in range(boards):
        pairs = {("place", str(row)): (side(rng, 3, 0.002), side(rng, 3, 0.002, sd=0.002)) for row in range(contrasts_each)}
        wrong += any(found.growth in ("grows", "shrinks") for found in contrasts(pairs, DELTA).values())
    assert wrong / boards <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / boards)


def test_equal_is_said_of_what_lies_within_delta_and_of_nothing_at_its_border() -> None:
    rng = np.random.default_rng(3)
    told = {}
    for name, gain in (("within", 0.0), ("border", DELTA)):
        found = [contrasts({KEY: (side(rng, 10, gain, 1e-4), side(rng, 10, 0.0, 1e-4))}, DELTA)[KEY].growth for _ in range(400)]
        told[name] = found.count("equal") / len(found)
    assert told["within"] > 0.9 and told["border"] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_seeds_beyond_the_last_look_are_in_no_growth() -> None:
    rng = np.random.default_rng(5)
    large, small = (side(rng, 8, gain, sd=3e-4)._replace(max_seeds=5) for gain in (1e-3, 0.0))
    first = [one._replace(method={s: one.method[s] for s in range(5)}) for one in (large, small)]
    found, of_five = contrasts({KEY: (large, small)}, DELTA)[KEY], contrasts({KEY: (first[0], first[1])}, DELTA)[KEY]
    assert found == of_five and found.n == 5


def test_one_size_that_was_looked_at_makes_the_growth_one_that_was() -> None:
    rng = np.random.default_rng(7)
    large, small = side(rng, 8, 1e-3, sd=3e-4), side(rng, 8, 0.0, sd=3e-4)
    looked = [one._replace(max_seeds=5) for one in (large, small)]
    found = contrasts({KEY: (looked[0], looked[1])}, DELTA)[KEY]
    assert found.n == 5 and found == contrasts({KEY: (looked[0], small)}, DELTA)[KEY] == contrasts({KEY: (large, looked[1])}, DELTA)[KEY]


def test_one_pair_that_agrees_is_no_copy() -> None:
    """As on a board: it may by chance, and has the noise of its cell."""
    pool, one = Pool(1e-6, 10, 3), {0: 0.8}
    assert not Side(one, one, pool).same and Side(one | {1: 0.9}, one | {1: 0.9, 2: 0.7}, pool).same
    found = contrasts({KEY: (Side(one, one, pool), Side({0: 0.7, 1: 0.8}, {0: 0.7, 1: 0.8}, pool))}, DELTA)[KEY]
    half = stats.t.ppf(0.975, 10) * 2e-6**0.5
    assert (found.low, found.high) == pytest.approx((-half, half)) and found.growth == "undecided"


def test_holm_goes_over_equalities_too() -> None:
    """p of each is .04: alone it is enough, beside another it is not."""
    n, df = 4, 20
    se = DELTA / stats.t.isf(0.04, df)
    values = dict(enumerate([0.8, 0.81, 0.79, 0.8]))
    apart = {seed: value + (-1) ** seed * 1e-3 for seed, value in values.items()}  # 0 in the mean
    pair = (Side(apart, values, Pool(se**2 * n / 4, 10, 2)),) * 2
    assert contrasts({KEY: pair}, DELTA)[KEY].growth == "equal"
    assert {found.growth for found in contrasts({KEY: pair, ("place", "other"): pair}, DELTA).values()} == {"undecided"}


def test_growth_that_is_looked_at_after_every_seed_is_seldom_wrong() -> None:
    rng = np.random.default_rng(4)
    boards, most, wrong, naive = 300, 8, 0, 0
    for _ in range(boards):
        large, small = side(rng, most, 0.002), side(rng, most, 0.002, sd=0.002)
        said = {True: False, False: False}
        for n in range(2, most + 1):
            for adjusted in said:
                first = [_first(one, n)._replace(max_seeds=most if adjusted else None) for one in (large, small)]
                said[adjusted] |= contrasts({KEY: (first[0], first[1])}, DELTA)[KEY].growth in ("grows", "shrinks")
        wrong, naive = wrong + said[True], naive + said[False]
    assert wrong / boards <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / boards) < naive / boards


def _first(one: Side, n: int) -> Side:
    method, control = ({seed: values[seed] for seed in range(n)} for values in (one.method, one.control))
    return Side(method, control, shared_noise({"a": method, "b": control}))
