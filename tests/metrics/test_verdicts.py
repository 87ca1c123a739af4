"""Verdicts: the pooled variance by hand, t tests and power against statsmodels, looks against the rules written for arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from benchmark.metrics.futility import chance_of_verdict
from benchmark.metrics.looks import looks
from benchmark.metrics.noise import Pool, cell_noise, less_noise, unequal_noise
from benchmark.metrics.power import MOST, power_to_equate, power_to_tell, seeds_to_equate, seeds_to_tell
from benchmark.metrics.sequential import sequential_p
from benchmark.metrics.simulation import ABOVE, BELOW, EQUAL, Design, _judged, _noise, _pooled, _values, simulate
from benchmark.metrics.verdicts import Compared, Judgement, Verdict, due, futile, judge, t_tests

CODES: dict[Verdict | None, int] = {"above": ABOVE, "below": BELOW, "equal": EQUAL, "undecided": 0}


def seeded(values: Any) -> dict[int, float]:
    return {seed: float(value) for seed, value in enumerate(values)}


def shared_noise(values: Any) -> Pool:
    """Of methods of which none is a control."""
    return cell_noise(values, "").shared


def one(control: Any, row: Any, delta: float = 0.0003, **others: Any) -> Judgement:
    rows = {"row": seeded(row), **{name: seeded(values) for name, values in others.items()}}
    return judge({"cell": Compared(seeded(control), rows)}, delta)["cell", "row"]


def test_the_pooled_variance_of_a_whole_table_is_the_two_way_residual_mean_square() -> None:
    y = np.random.default_rng(0).normal(size=(4, 6))
    rest = y - y.mean(0) - y.mean(1, keepdims=True) + y.mean()
    found = shared_noise({str(m): seeded(row) for m, row in enumerate(y)})
    assert (found.variance, found.df, found.methods) == pytest.approx(((rest**2).sum() / 15, 15, 4))


def test_two_methods_give_the_variance_of_their_paired_difference() -> None:
    a, b = np.random.default_rng(1).normal(size=(2, 7))
    found = shared_noise({"a": seeded(a), "b": seeded(b)})
    assert 2 * found.variance == pytest.approx(np.var(a - b, ddof=1)) and found.df == 6


def test_effects_of_methods_and_seeds_are_no_noise() -> None:
    y = np.random.default_rng(2).normal(size=(3, 5))
    moved = y + np.array([[1.0], [5.0], [-3.0]]) + np.arange(5)
    found, plain = (shared_noise({str(m): seeded(row) for m, row in enumerate(table)}) for table in (moved, y))
    assert found.variance == pytest.approx(plain.variance)


def test_a_copy_of_a_method_adds_nothing() -> None:
    y = np.random.default_rng(3).normal(size=(3, 5))
    table = {str(m): seeded(row) for m, row in enumerate(y)}
    assert shared_noise({**table, "copy of 0": table["0"]}) == shared_noise(table)


@pytest.mark.parametrize(("of_copy", "of_other"), [((0, 1), range(5)), ((1, 2, 3, 4), range(5)), ((0, 1, 2), (1, 2, 3, 4))])
def test_a_copy_with_some_of_the_seeds_adds_no_more_than_its_seeds(of_copy: Any, of_other: Any) -> None:
    """As where rows that are single embedding are decided after two seeds, and their control goes on."""
    y = np.random.default_rng(4).normal(size=(3, 5))
    table = {str(m): seeded(row) for m, row in enumerate(y)}
    whole = {**table, "0": {seed: table["0"][seed] for seed in {*of_copy, *of_other}}}
    parts = {name: {seed: table["0"][seed] for seed in seeds} for name, seeds in (("copy", of_copy), ("other", of_other))}
    found, alone = shared_noise({**table, "0": {}, **parts}), shared_noise(whole)
    assert (found.df, found.methods) == (alone.df, alone.methods)
    assert found.variance == pytest.approx(alone.variance)


def test_one_equal_value_makes_no_copy() -> None:
    assert shared_noise({"a": {0: 1.0, 1: 2.0}, "b": {0: 1.0, 1: 2.5}}).methods == 2
    assert shared_noise({"a": {0: 1.0, 1: 2.0, 2: 3.0}, "b": {0: 1.0}}).methods == 2


def test_a_single_seed_has_no_variance() -> None:
    assert shared_noise({"a": {0: 1.0}, "b": {0: 2.0}}).df == 0
    assert shared_noise({"a": {0: 1.0, 1: 2.0}, "b": {5: 2.0, 6: 1.0}}).df == 0  # not a seed in common


def test_equivalence_and_difference_equal_statsmodels() -> None:
    draw = np.random.default_rng(4)
    for shift in (0.0, 0.0002, -0.0005):
        a, b = draw.normal(0.98, 5e-4, (2, 9)) + np.array([[shift], [0]])
        found = one(b, a)
        reference = DescrStatsW(a - b)
        assert found.p_equal == pytest.approx(reference.ttost_mean(-0.0003, 0.0003)[0], abs=1e-9)
        assert found.p_difference == pytest.approx(reference.ttest_mean(0)[1], abs=1e-9)
        assert (found.low, found.high) == pytest.approx(reference.tconfint_mean())


def test_without_noise_a_difference_of_delta_is_not_within_it() -> None:
    assert [t_tests(d, 0.0, 3, 0.25).equal for d in (0.0, 0.125, -0.25, 0.25, 0.5)] == [0, 0, 1, 1, 1]
    assert [t_tests(d, 0.0, 3, 0.25)[:2] for d in (-0.5, 0.0, 0.5)] == [(1, 0), (1, 1), (0, 1)]


def test_holm_goes_over_differences_and_equalities_apart() -> None:
    y = np.random.default_rng(5).normal(0, 1e-4, (5, 6)) + np.array([[0.0], [3e-4], [1e-3], [0], [0]])
    found = judge({"cell": Compared(seeded(y[0]), {str(m): seeded(y[m]) for m in range(1, 5)})}, 0.0002)
    pool = cell_noise({str(m): seeded(row) for m, row in enumerate(y)}, "0").shared
    for kind in ("p_difference", "p_equal"):
        raw = []
        for m in range(1, 5):
            test = t_tests(float((y[m] - y[0]).mean()), (2 * pool.variance / 6) ** 0.5, pool.df, 0.0002)
            raw.append(2 * min(test.above, test.below) if kind == "p_difference" else test.equal)
        expected, largest = {}, 0.0
        for position, i in enumerate(np.argsort(raw)):
            largest = max(largest, min(1.0, (4 - position) * raw[i]))
            expected[str(i + 1)] = largest
        assert {row: getattr(judgement, kind) for (_, row), judgement in found.items()} == pytest.approx(expected)


def test_the_four_words() -> None:
    noise = np.array([[1, -1, 2, 0, -2, 1, -1], [0, 1, -1, 2, -1, -2, 1], [2, 0, -2, 1, 0, -1, 0]]) * 1e-5
    shared = np.array([5, -3, 8, 1, 0, -9, 2]) * 1e-3
    for shift, word in ((1e-3, "above"), (-1e-3, "below"), (0, "equal")):
        assert one(shared + noise[0], shared + noise[1] + shift).verdict == word
    wide = one(shared + 40 * noise[0], shared + 40 * noise[1] + 1e-4)
    assert wide.verdict == "undecided" and wide.more_seeds is not None and wide.more_seeds > 0
    assert one(shared, shared + noise[0], never=shared + noise[2]).more_seeds is None
    hopeless = one(shared + 2e4 * noise[0], shared + 2e4 * noise[1] + 1e-4)
    assert (hopeless.verdict, hopeless.more_seeds) == ("undecided", None), "no number of seeds was found: there is none to name"


def test_the_same_numbers_are_equal_and_one_seed_tells_nothing() -> None:
    values = np.random.default_rng(6).normal(size=4)
    assert one(values, values).verdict == "equal"  # multi-embedding with one set; no other row to pool with
    twin = one(values, values, other=values + np.random.default_rng(7).normal(size=4))
    assert (twin.verdict, twin.low, twin.high) == ("equal", 0, 0)
    single = one([0.9], [0.8])
    assert (single.verdict, single.more_seeds, single.p_difference, single.low) == ("undecided", None, None, None)
    noisy = np.random.default_rng(8).normal(size=4)  # one pair that agrees is no twin: its interval is that of the noise
    lone = one(values[:1], values[:1], other=values + noisy, third=values - noisy)
    assert lone.verdict == "undecided" and lone.low is not None and lone.low < 0 < (lone.high or 0)
    assert one(values, values + 1e-3).verdict == "above"  # the same difference with every seed: no noise at all


@pytest.mark.parametrize(("difference", "seeds"), [(0.001, 5), (0.0005, 13), (0.0003, 33)])
def test_seeds_for_a_difference_equal_statsmodels(difference: float, seeds: int) -> None:
    sd = 0.00059
    assert seeds_to_tell(difference, sd) == seeds
    for n in (seeds - 1, seeds):
        reference = TTestPower().power(difference / sd, n, 0.05)
        assert power_to_tell(difference, sd, n) == pytest.approx(reference, abs=1e-6)
        assert (reference >= 0.8) == (n == seeds)


def test_the_seeds_that_an_open_row_needs_are_those_of_the_pooled_test_at_holms_next_step() -> None:
    """Two of four methods are decided for good; each further seed adds four degrees of freedom to the noise of five."""
    draw, n, sd = np.random.default_rng(14), 6, 5e-4
    shared, gains = draw.normal(0.8, 0.01, n), {"a": 0.1, "b": -0.1, "c": 3e-4, "d": -2e-4}
    rows = {name: seeded(shared + gain + draw.normal(0, sd, n)) for name, gain in gains.items()}
    found = judge({"cell": Compared(seeded(shared + draw.normal(0, sd, n)), rows)}, 1e-6)
    assert {row: one.verdict for (_, row), one in found.items()} == {"a": "above", "b": "below", "c": "undecided", "d": "undecided"}
    for name in "cd":
        judged = found["cell", name]
        assert judged.difference is not None and judged.sd is not None and judged.df == 4 * (n - 1)

        def power(seeds: int, shift: float = abs(judged.difference) / judged.sd) -> float:
            return float(stats.nct.sf(stats.t.isf(0.05 / 2 / 2, 4 * (seeds - 1)), 4 * (seeds - 1), shift * seeds**0.5))

        assert judged.more_seeds == next(seeds for seeds in range(2, 999) if power(seeds) >= 0.8) - n > 0


def test_an_open_row_needs_one_seed_more_at_the_least() -> None:
    """Its early bound is stricter than the test of all seeds, by which it would have enough."""
    row = {"row": seeded(0.8 + 1e-3 + 2e-4 * np.array([-1, 0, 1]))}
    found = judge({"cell": Compared(seeded([0.8] * 3), row, {"row": 8})}, 1e-6)["cell", "row"]
    assert seeds_to_tell(1e-3, 2e-4) <= 3 and (found.verdict, found.n, found.more_seeds) == ("undecided", 3, 1)


def test_seeds_at_a_strict_level_are_those_of_the_tail_that_counts() -> None:
    """SciPy gives NaN for the other tail there (findings/scipy_noncentral_t_tail_is_nan.sh), and a search by `<` would end at it."""
    difference, sd, level = 0.001, 0.0004, 1e-4

    def power(n: int) -> float:
        return float(stats.nct.sf(stats.t.isf(level / 2, n - 1), n - 1, difference * n**0.5 / sd))

    assert np.isnan(stats.nct.cdf(-stats.t.isf(level / 2, 8), 8, difference * 3 / sd))
    assert power_to_tell(difference, sd, 9, level) == pytest.approx(power(9), abs=1e-9)
    assert seeds_to_tell(difference, sd, level) == next(n for n in range(2, 99) if power(n) >= 0.8)


def test_unequal_noise_equals_bartlett_of_scipy() -> None:
    table = np.random.default_rng(0).normal(size=(6, 7)) * np.array([1, 1, 2, 3, 1, 1])[:, None]
    found = unequal_noise({str(m): dict(enumerate(line)) for m, line in enumerate(table)})
    assert found == pytest.approx(stats.bartlett(*(table - table.mean(0))).pvalue, rel=1e-9)
    copies = {"copy": seeded(table[2]), "copy of two seeds": seeded(table[3][:2])}  # as of rows that are the control, decided after two
    assert unequal_noise({str(m): seeded(line) for m, line in enumerate(table)} | copies) == pytest.approx(found)
    assert unequal_noise({str(m): seeded(line[:2]) for m, line in enumerate(table)}) == 1, "two seeds are too few"
    assert unequal_noise({str(m): seeded(line) for m, line in enumerate(table[:2])}) == 1, "of two one is the other, turned over"


def test_power_of_equivalence_equals_that_of_drawn_boards() -> None:
    draw = np.random.default_rng(8)
    for difference, n in ((0.0, 40), (1e-4, 60)):
        values = draw.normal(difference, 0.00059, (100_000, n))
        se = values.std(1, ddof=1) / n**0.5
        inside = np.abs(values.mean(1)) + stats.t.isf(0.05, n - 1) * se < 0.0003
        assert power_to_equate(difference, 0.0003, 0.00059, n) == pytest.approx(inside.mean(), abs=5e-3)
    n = seeds_to_equate(0, 0.0003, 0.00059)
    assert power_to_equate(0, 0.0003, 0.00059, n) >= 0.8 > power_to_equate(0, 0.0003, 0.00059, n - 1)
    assert seeds_to_equate(0.0003, 0.0003, 0.00059) == MOST == seeds_to_tell(1e-9, 0.00059) == seeds_to_tell(0, 0.00059)


def test_the_variance_for_arrays_is_that_of_least_squares() -> None:
    draw = np.random.default_rng(9)
    y, length = draw.normal(size=(5, 2, 4, 6)), draw.integers(2, 7, (5, 2, 4))
    length[::2, :, 2] = 0
    squares, df = _pooled(y, length)
    for board in range(5):
        for cell in range(2):
            found = shared_noise({str(m): seeded(y[board, cell, m, : length[board, cell, m]]) for m in range(4)})
            assert (found.variance * found.df, found.df) == pytest.approx((squares[board, cell], df[board, cell]))


def test_less_noise_is_the_lower_tail_of_f() -> None:
    """And of rows that have the cell's noise p is uniform."""
    draw = np.random.default_rng(3)
    differences, others = draw.normal(size=(4000, 5)), draw.normal(size=(4000, 13))
    p = [less_noise(list(d), Pool(o.var(ddof=1) / 2, 12, 3)) for d, o in zip(differences, others, strict=True)]
    assert stats.kstest(p, "uniform").pvalue > 0.01
    first = less_noise([1.0, 2.0, 4.0], Pool(2.5, 8, 3))
    assert first == pytest.approx(stats.f.cdf(np.var([1, 2, 4], ddof=1) / 5, 2, 8))
    assert less_noise([0.5, 0.5], Pool(1.0, 8, 3)) == less_noise([0.5], Pool(1.0, 8, 3)) == less_noise([0.0, 1.0], Pool(1.0, 0, 3)) == 1


def test_methods_that_share_their_control_s_noise_have_the_sd_that_is_stated() -> None:
    """√2 √(1 − ρ) σ of a paired difference, and the others what the model says."""
    design = Design(cells=2, differences=(0.0,) * 5, seeds=4, sd=0.003, sequential=False, delta=0.0003, alike=0.97)
    y = _values(design, 4000, np.random.default_rng(4))
    sds = (y[:, :, 1:] - y[:, :, :1]).std((0, 1, 3))
    assert sds == pytest.approx([0.003 * 0.03**0.5] * 2 + [0.003] * 3, rel=0.03)


@pytest.mark.parametrize("odd", ["none", "loud row", "loud control", "quiet row"])
@pytest.mark.parametrize(("sequential", "futility"), [(False, 0.0), (True, 0.0), (True, 0.2)])
def test_simulated_boards_follow_the_rules_of_real_ones(sequential: bool, futility: float, odd: str) -> None:
    """Also, seed by seed, that only the rows due are given seeds, and get as far as the arrays say."""
    shape: Any = {"cells": 2, "differences": (0.0, 0.0006, -0.0012), "seeds": 7, "sd": 0.0004, "delta": 0.0005}
    design = Design(**shape, sequential=sequential, futility=futility)
    y = _values(design, 12, np.random.default_rng(10))
    if odd.startswith("loud"):
        y[:, 0, 0 if odd == "loud control" else 3] *= 12
    elif odd == "quiet row":
        y[:, 0, 1] = y[:, 0, 0] + 0.02 * y[:, 0, 1]
    verdict, seeds = _judged(y, design)
    assert {0, ABOVE, BELOW, EQUAL} == set(verdict.flat)
    if futility:
        assert 2 in seeds and ((verdict == 0) & (seeds < 7)).any()
    quiet = 0
    for board in range(12):
        have = {(str(c), str(m)): 2 if sequential else 7 for c in range(2) for m in range(3)}
        while True:
            cells = {
                str(c): Compared(
                    seeded(y[board, c, 0, : max(n for key, n in have.items() if key[0] == str(c))]),
                    {str(m): seeded(y[board, c, m + 1, : have[str(c), str(m)]]) for m in range(3)},
                    {str(m): 7 for m in range(3)} if sequential else {},
                )
                for c in range(2)
            }
            wanted = due(cells, 0.0005, futility)
            if not wanted:
                break
            assert not wanted.keys() & futile(cells, 0.0005, futility)
            assert all(n == have[key] + 1 for key, n in wanted.items())
            have |= wanted
        found = judge(cells, 0.0005)
        for (cell, row), judgement in found.items():
            assert CODES[judgement.verdict] == verdict[board, int(cell), int(row)]
            assert have[cell, row] == seeds[board, int(cell), int(row)]
            quiet += judgement.quiet
        given_up = {key for key, n in have.items() if n < 7 and found[key].verdict == "undecided"} if sequential else set()
        assert futile(cells, 0.0005, futility) == given_up
    assert quiet >= 10 if odd == "quiet row" else not quiet


def test_the_noise_of_simulated_cells_is_that_of_real_ones_whatever_seeds_their_rows_have() -> None:
    """Of cells with loud and quiet rows and with loud controls."""
    draw, boards, methods, n = np.random.default_rng(3), 200, 4, 6
    y = draw.normal(size=(boards, 1, methods + 1, n))
    y[:, :, 1:3] = y[:, :, :1] + draw.choice([0.003, 0.05, 0.1, 0.15, 0.2, 0.3, 1], (boards, 1, 2, 1)) * y[:, :, 1:3]
    y[:100, 0, 3] *= 20
    y[:5, 0, 0] *= 100
    seeds = draw.integers(2, n + 1, (boards, 1, methods))
    seeds[:, :, 3] = n
    with np.errstate(all="ignore"):  # of rows that are not tested
        variance, df = _noise(y, seeds)
    quiet = loud = 0
    for board, here in enumerate(seeds[:, 0]):
        values = {str(m): dict(enumerate(y[board, 0, m, :most])) for m, most in enumerate((n, *here))}
        noise = cell_noise(values, "0")
        quiet, loud = quiet + len(noise.quiet), loud + len(noise.loud)
        for m in np.flatnonzero(here == n):
            found = noise.between(str(m + 1), "0", list(y[board, 0, m + 1] - y[board, 0, 0]))
            assert (variance[board, 0, m], df[board, 0, m]) == pytest.approx((found.variance, found.df))
    assert quiet >= 60 and loud >= 80


@pytest.mark.parametrize(("times", "quiet"), [(3.5, True), (2.5, False)])
def test_the_rows_of_which_one_may_be_quiet_are_those_in_line_each_once(times: float, quiet: bool) -> None:
    """Three, beside a loud one and copies. p of the first, times three, is just below the level, or just above it."""
    n = 6
    y = np.random.default_rng(0).normal(size=(5, n))
    y[4] *= 1000
    others = cell_noise({str(m): seeded(y[m]) for m in (0, 2, 3)}, "").shared
    apart = y[1] - y[1].mean()
    apart *= (stats.f.ppf(0.001 / times, n - 1, others.df) * 2 * others.variance / apart.var(ddof=1)) ** 0.5
    y[1] = y[0] + apart
    values = {str(m): seeded(row) for m, row in enumerate(y)}
    noise = cell_noise(values | {"copy": values["0"], "other": values["2"]}, "0")
    assert noise.shared.variance == pytest.approx(others.variance)
    assert noise.loud == {"4"} and noise.quiet == ({"1"} if quiet else set())
    _, df = _noise(y[None, None], np.full((1, 1, 4), n))
    assert df[0, 0, 0] == (n - 1 if quiet else others.df)


@pytest.mark.parametrize(("mean", "n", "df"), [(0.0, 2, 4), (0.0003, 3, 8), (-0.0006, 4, 12), (0.0001, 6, 20)])
def test_the_chance_of_a_verdict_is_that_of_drawn_last_looks(mean: float, n: int, df: int) -> None:
    """Against boards gone on with at random, judged by the tests and the bounds that a last look has."""
    sd, at, delta, levels = 0.0005, looks(8), 0.0006, (0.0125, 0.025)
    draw = np.random.default_rng(15)
    last = mean + sd * (1 / n - 1 / 8) ** 0.5 * draw.standard_t(df, 4000)
    decided = 0
    for value in last:
        found = sequential_p(np.array(t_tests(value, sd / 8**0.5, df * 7 // (n - 1), delta)), 8, at)
        decided += bool(min(found[:2]) <= levels[0] or found[2] <= levels[1])
    share = decided / len(last)
    chance = float(chance_of_verdict(mean, sd, df, n, at, *levels, delta))
    assert 0.02 < share < 0.98 and chance == pytest.approx(share, abs=3 * (share * (1 - share) / len(last)) ** 0.5)


def test_a_row_that_hopes_for_nothing_gets_no_more_seeds_and_its_verdict_is_what_it_would_be() -> None:
    """Also where somebody trained on all the same: what is given up is a matter of what to train, and of no verdict."""
    draw = np.random.default_rng(16)
    control = draw.normal(0, 5e-4, 8)
    rows = {"none": seeded(control + draw.normal(0, 5e-4, 8) * 0.7 + 1e-5), "far": seeded(control + 1e-3 + draw.normal(0, 5e-4, 8))}
    short = {row: {seed: value for seed, value in known.items() if seed < 4} for row, known in rows.items()}
    cells = {"c": Compared(seeded(control), short, dict.fromkeys(rows, 8))}
    assert due(cells, 3e-5).keys() == {("c", "none"), ("c", "far")} and due(cells, 3e-5, 0.1).keys() == {("c", "far")}
    whole = {"c": Compared(seeded(control), rows, dict.fromkeys(rows, 8))}
    assert due(whole, 3e-5, 0.1) == {} and judge(whole, 3e-5)["c", "none"].n == 8


def test_each_row_is_looked_at_up_to_its_own_number_of_seeds() -> None:
    control, rows = seeded([0.8, 0.801]), {"a": seeded([0.8001, 0.8008]), "b": seeded([0.7999, 0.8012])}
    assert due({"c": Compared(control, rows, {"a": 2, "b": 8})}, 1e-5) == {("c", "b"): 3}


def test_whether_a_row_is_given_up_is_asked_of_all_the_seeds_that_it_has() -> None:
    """They may have been given by another rule, or beside other rows. With all its seeds it is undecided, and not given up."""
    rest = [0.3e-3, -0.3e-3, -0.2e-3, 0.2e-3, 0.0, 0.0, 0.0, 0.0]
    differences = [0.2e-3, -0.2e-3, 0.9e-3, 0.6e-3, 1.0e-3, 0.7e-3, -0.5e-3, -0.6e-3]
    control = seeded(np.zeros(8) + 0.8)
    rows = {"row": seeded(0.8 + np.array(differences)), "other": seeded(0.8 + np.array(rest))}

    def first(n: int) -> dict[str, Compared]:
        known = {row: {seed: value for seed, value in values.items() if seed < n} for row, values in rows.items()}
        return {"c": Compared({s: v for s, v in control.items() if s < n}, known, dict.fromkeys(rows, 8))}

    key = "c", "row"
    assert key in futile(first(2), 1e-5, 0.3)
    assert due(first(6), 1e-5, 0.3)[key] == 7 and key not in futile(first(6), 1e-5, 0.3)
    assert judge(first(8), 1e-5)[key].verdict == "undecided" and not futile(first(8), 1e-5, 0.3)


def test_verdicts_do_not_depend_on_seeds_that_came_later() -> None:
    """A row that crossed its bound stays decided, with whatever is trained afterwards."""
    draw = np.random.default_rng(11)
    control, row = draw.normal(0, 1e-4, (2, 8))
    row[:4] += 2e-3
    row[4:] -= 1e-2
    few = judge({"c": Compared(seeded(control[:4]), {"r": seeded(row[:4])}, {"r": 8})}, 3e-4)["c", "r"]
    many = judge({"c": Compared(seeded(control), {"r": seeded(row)}, {"r": 8})}, 3e-4)["c", "r"]
    assert few.verdict == many.verdict == "above" and few.difference == many.difference


def test_seeds_of_a_row_after_it_was_decided_are_in_the_noise_of_no_other() -> None:
    """As they come when a control goes on for the sake of other rows, and a later run fills the table."""
    draw = np.random.default_rng(17)
    control, far, near = 0.8 + draw.normal(0, 1e-4, (3, 8))
    far += [0.1] * 4 + [*draw.normal(0, 0.05, 4)]

    def judged(seeds: int) -> dict[tuple[str, str], Judgement]:
        return judge({"c": Compared(seeded(control), {"far": seeded(far[:seeds]), "near": seeded(near)}, {"far": 8, "near": 8})}, 3e-5)

    few, many = judged(4), judged(8)
    assert few == many and {row: one.verdict for (_, row), one in few.items()} == {"far": "above", "near": "undecided"}
    assert few["c", "near"].sd == pytest.approx(2**0.5 * 1e-4, rel=0.5), "of what was drawn, not of what came later"


def test_seeds_after_the_last_look_are_in_no_verdict_and_not_still_to_come() -> None:
    draw = np.random.default_rng(3)
    control, row = draw.normal(0, 1e-3, (2, 7))
    few = judge({"c": Compared(seeded(control[:4]), {"r": seeded(row[:4])}, {"r": 4})}, 3e-4)["c", "r"]
    many = judge({"c": Compared(seeded(control), {"r": seeded(row)}, {"r": 4})}, 3e-4)["c", "r"]
    assert few.verdict == many.verdict == "undecided" and (few.difference, few.n) == (many.difference, many.n)
    assert (few.p_difference, few.p_equal) == (many.p_difference, many.p_equal)
    assert many.difference is not None and many.sd is not None
    needed = min(seeds_to_tell(many.difference, many.sd), seeds_to_equate(many.difference, 3e-4, many.sd))
    assert many.more_seeds == needed - 7


@pytest.mark.parametrize("lacks", ["the row", "the control"])
def test_a_missing_seed_holds_the_look_up(lacks: str) -> None:
    control, row = map(seeded, np.random.default_rng(12).normal(size=(2, 5)))
    del (row if lacks == "the row" else control)[3]
    cells = {"c": Compared(control, {"r": row}, {"r": 8})}
    assert due(cells, 3e-4) == {("c", "r"): 4} and judge(cells, 3e-4)["c", "r"].verdict == "undecided"


def test_a_row_that_is_decided_while_it_waits_is_of_the_seeds_it_was_looked_at_with() -> None:
    """Its seed 2 is gone. When another row leaves Holm's rule its p of the first look is enough: seeds after the gap had no part in it."""
    chance = np.random.default_rng(1)

    def values(shift: float) -> dict[int, float]:
        return {seed: 0.8 + 0.01 * seed + shift + chance.normal(0, 1e-4) for seed in range(8)}

    control, others, row, second = values(0), {str(n): values(0.1) for n in range(12)}, values(0), values(0.02)
    late = {seed: value - (0.0197 if seed < 2 else 0) for seed, value in second.items()}

    def judged(shift: float, seeds: tuple[int, ...]) -> Judgement:
        rows = {**others, "row": {seed: row[seed] + shift for seed in seeds}, "late": late}
        return judge({"cell": Compared(control, rows, {"row": 8, "late": 8})}, 3e-4)["cell", "row"]

    found = [(judged(shift, (0, 1)), judged(shift, (0, 1, *range(3, 8)))) for shift in np.linspace(3.5e-4, 5e-4, 7)]
    assert {short.verdict for short, _ in found} == {"undecided", "above"}
    for short, long in found:
        if short.verdict == "above":
            assert (long.verdict, long.difference, long.n) == ("above", short.difference, 2)


def test_a_row_that_is_behind_holds_up_no_other() -> None:
    """One that came later, and whose run was interrupted: what was decided without it stays so, as far as Holm's rule lets it."""
    draw = np.random.default_rng(13)
    control = draw.normal(0, 1e-4, 8)
    rows = {"far": seeded(control + 2e-3 + draw.normal(0, 1e-4, 8)), "near": seeded(control + draw.normal(0, 1e-3, 8))}
    before = {"c": Compared(seeded(control), rows, dict.fromkeys(rows, 8))}
    cells = {"c": Compared(seeded(control), {**rows, "late": {0: float(control[0])}}, dict.fromkeys([*rows, "late"], 8))}
    assert {row: one.verdict for (_, row), one in judge(before, 3e-4).items()} == {"far": "above", "near": "undecided"}
    found = {row: one.verdict for (_, row), one in judge(cells, 3e-4).items()}
    assert found == {"far": "above", "near": "undecided", "late": "undecided"}
    assert due(cells, 3e-4) == {("c", "late"): 2}


@pytest.mark.parametrize("differences", [(0.0,) * 3, (0.0005, 0.0, 0.0)])
def test_false_positives_stay_below_the_level(differences: tuple[float, ...]) -> None:
    for sequential in (False, True):
        found = simulate(Design(cells=2, differences=differences, seeds=6, sd=0.00059, sequential=sequential, delta=3e-4), 4000)
        assert found.false_differences() <= 0.05 + 2 * (0.05 * 0.95 / 4000) ** 0.5
    wide = simulate(Design(cells=2, differences=(0.001,) * 3, seeds=6, sd=0.00059, sequential=True, delta=0.001), 4000)
    assert wide.false_equalities() <= 0.05 + 2 * (0.05 * 0.95 / 4000) ** 0.5
