"""The noise of a cell: which methods are out of line with the rest, by an F test of least squares of another library."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats

from benchmark.metrics.noise import LIGHT, OUT_OF_LINE, Noise, Pool, Values, _distinct, _noisiest, _of_more, _residual, cell_noise

METHODS = "abcde"


def table(*loud: str, times: float = 30.0, seeds: int = 6, seed: int = 0) -> dict[str, dict[int, float]]:
    """Five methods, of which ``loud`` ones have so many times the noise."""
    draw = np.random.default_rng(seed)
    shared = draw.normal(0, 1, seeds)
    return {m: dict(enumerate(shared + draw.normal(0, 0.01 * (times if m in loud else 1), seeds))) for m in METHODS}


def of_all(values: Mapping[str, Values]) -> Pool:
    return _residual(_distinct(values))


def residual(values: Mapping[str, Values]) -> tuple[float, int]:
    cells = [(m, s) for m, known in values.items() for s in known]
    design = np.array([[*(m == other for other in values), *(s == other for other in range(1, 6))] for m, s in cells], float)
    fitted = sm.OLS(np.array([values[m][s] for m, s in cells]), design).fit()
    return float(fitted.ssr), len(cells) - int(np.linalg.matrix_rank(design))


def test_of_methods_in_line_the_noise_is_the_pooled_one() -> None:
    values = table()
    assert cell_noise(values, "") == Noise(of_all(values))


@pytest.mark.parametrize("gaps", [False, True])
def test_a_method_is_out_of_line_by_the_f_test_of_what_it_adds(gaps: bool) -> None:
    values = table()
    if gaps:
        del values["b"][5], values["c"][4], values["c"][5]
    (whole, all_df), (rest, rest_df) = residual(values), residual({m: known for m, known in values.items() if m != "d"})
    expected = stats.f.sf((whole - rest) / (all_df - rest_df) / (rest / rest_df), all_df - rest_df, rest_df)
    found = _of_more(of_all(values), of_all({m: known for m, known in values.items() if m != "d"}))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_noisiest_has_the_smallest_p_of_all(seed: int) -> None:
    values = table("c", times=3.0, seed=seed)
    p = {m: _of_more(of_all(values), of_all({o: values[o] for o in values if o != m})) for m in METHODS}
    kept = _distinct(values)
    place, found = _noisiest(kept, of_all(values))
    assert kept[place][0] == {min(p, key=p.__getitem__)} and found == pytest.approx(min(p.values()), rel=1e-6)


def test_under_one_noise_its_p_is_uniform() -> None:
    def p(seed: int) -> float:
        values = table(seed=seed)
        return _of_more(of_all(values), of_all({m: known for m, known in values.items() if m != "d"}))

    assert stats.kstest([p(seed) for seed in range(1000, 1500)], "uniform").pvalue > 0.01


@pytest.mark.parametrize("loud", ["a", "e", "be"])
def test_a_loud_method_is_left_out_and_has_the_noise_of_its_own_pairs(loud: str) -> None:
    values = table(*loud, times=1000.0) if len(loud) == 1 else table("b", times=1e6) | {"e": table("e", times=1e3)["e"]}
    found = cell_noise(values, "")
    assert found.loud == set(loud)
    assert found.shared == of_all({m: known for m, known in values.items() if m not in loud})
    pairs: NDArray[np.float64] = np.array(list(values[loud[0]].values())) - np.array(list(values["c"].values()))
    own = found.between(loud[0], "c", list(pairs))
    assert own == pytest.approx((np.var(pairs, ddof=1) / 2, 5, 2)) and own == found.between("c", loud[0], list(pairs))
    assert found.between("c", "d", [0.1, 0.2]) == found.shared


def test_methods_are_left_out_down_to_two() -> None:
    values = {m: known for m, known in table("a", times=1000.0).items() if m in "abc"}
    assert cell_noise(values, "") == Noise(of_all({m: values[m] for m in "bc"}), frozenset("a"))


def test_a_copy_of_a_loud_method_is_out_of_line_with_it() -> None:
    values = table("a", times=1000.0)
    assert cell_noise({**values, "copy": values["a"]}, "").loud == {"a", "copy"}


def test_two_methods_and_methods_without_noise_cannot_be_asked() -> None:
    values = table("a", times=1000.0)
    assert not cell_noise({m: values[m] for m in "ab"}, "").loud
    assert not cell_noise({"a": values["a"], "b": {0: 1.0, 1: 2.0, 2: 3.0}, "c": {0: 2.0, 1: 3.0, 2: 4.0}}, "").loud
    assert cell_noise({}, "").shared.df == 0 and OUT_OF_LINE < 0.01


@pytest.mark.parametrize("seed", range(20))
def test_what_rounding_leaves_of_methods_without_noise_is_none(seed: int) -> None:
    """b, c and d differ by the same at each seed, but for the last digits of a float: beside them nothing can be called loud."""
    values, apart = table(seed=seed), np.random.default_rng(seed).random(2)
    parallel: dict[str, Values] = {"b": values["b"]}
    parallel |= {m: {s: v + by for s, v in values["b"].items()} for m, by in zip("cd", apart, strict=True)}
    assert cell_noise(parallel, "").shared == Pool(0.0, 10, 3)
    assert cell_noise(parallel | {"a": values["a"]}, "") == Noise(of_all(parallel | {"a": values["a"]}))


def followers(*near: str, by: float = 1e-3) -> dict[str, dict[int, float]]:
    """Five methods, of which ``near`` ones have the values of a at every seed but for so much. By chance no other has, with this draw."""
    values, draw = table(seed=2), np.random.default_rng(9)
    return values | {m: {seed: one + draw.normal(0, by) for seed, one in values["a"].items()} for m in near}


def less(values: Mapping[str, Values], row: str, pool: Pool) -> float:
    pairs = [values[row][seed] - values["a"][seed] for seed in values[row]]
    return float(stats.f.cdf(np.var(pairs, ddof=1) / (2 * pool.variance), len(pairs) - 1, pool.df))


@pytest.mark.parametrize("near", ["b", "bc"])
def test_rows_that_follow_their_control_have_their_own_noise_and_no_part_in_that_of_the_others(near: str) -> None:
    values = followers(*near)
    found, others = cell_noise(values, "a"), of_all({m: known for m, known in values.items() if m not in near})
    assert found == Noise(others, frozenset(), frozenset(near)) and others.variance > of_all(values).variance
    assert all(less(values, row, of_all(values)) <= LIGHT and 4 * less(values, row, others) <= OUT_OF_LINE for row in near)
    pairs = [values[near[0]][seed] - values["a"][seed] for seed in range(6)]
    assert found.between(near[0], "a", pairs) == pytest.approx((np.var(pairs, ddof=1) / 2, 5, 2))
    assert found.between("d", "a", pairs) == found.shared, "whatever the pairs are"
    assert not cell_noise(values, "d").quiet, "they are no nearer to another"


def test_a_row_that_may_have_less_noise_than_the_others_is_left_out_of_theirs_and_judged_by_it() -> None:
    """It takes more to be judged by less noise than to be left out of what others are judged by."""
    values = followers("b", by=0.0035)
    found, others = cell_noise(values, "a"), of_all({m: known for m, known in values.items() if m != "b"})
    assert less(values, "b", of_all(values)) <= LIGHT and 4 * less(values, "b", others) > OUT_OF_LINE
    assert found == Noise(others), "no row has its own"


def test_noise_is_never_made_smaller() -> None:
    moves = np.random.default_rng(0).normal(size=20)
    between: dict[str, Values] = {name: dict(enumerate(sign * moves)) for name, sign in (("a", 0), ("b", 1), ("c", -1))}
    assert all(less(between, row, of_all(between)) <= LIGHT for row in "bc")
    assert cell_noise(between, "a") == Noise(of_all(between)), "of the control alone nothing is known"
    for seed in range(300):
        values = table(seed=seed)
        assert cell_noise(values, "a").shared.variance >= of_all(values).variance


def test_copies_of_the_control_and_of_a_quiet_row_are_one_method_with_it() -> None:
    values = followers("b")
    found = cell_noise(values, "a")
    named = (("A", "a", 6), ("aa", "a", 3), ("B", "b", 6), ("bb", "b", 3))
    copies = {name: dict(list(values[of].items())[:seeds]) for name, of, seeds in named}
    assert cell_noise(copies | values, "a") == found._replace(quiet=frozenset({"b", "B", "bb"})) and found.quiet == {"b"}
    assert cell_noise(copies | values, "A") == cell_noise(copies | values, "aa") == cell_noise(copies | values, "a")


def test_rows_with_fewer_than_two_pairs_are_not_asked_and_gaps_are_left_out_of_the_pairs() -> None:
    values = followers("b")
    apart = {seed + 10: one for seed, one in values["b"].items()}
    for few in (apart, apart | {0: values["b"][0]}):
        assert not cell_noise(values | {"b": few}, "a").quiet
    some = {seed: one for seed, one in values["b"].items() if seed != 2} | apart
    found = cell_noise(values | {"b": some}, "a")
    assert found == Noise(of_all({m: known for m, known in values.items() if m != "b"}), quiet=frozenset("b"))


def test_of_methods_with_one_noise_few_rows_are_taken_for_quiet() -> None:
    assert sum(bool(cell_noise(table(seed=seed), "a").quiet) for seed in range(2000)) / 2000 < 3 * OUT_OF_LINE


def test_where_the_control_is_loud_nothing_follows_it() -> None:
    values = table("a", times=1000.0)
    found = cell_noise(values | {"copy": values["a"]}, "a")
    assert found.loud == {"a", "copy"} and not found.quiet
