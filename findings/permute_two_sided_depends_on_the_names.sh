#!/usr/bin/env bash
# permute 0.2 (cryptorandom 0.4, scipy 1.17.1, numpy 2.4.6, Python 3.11): a paired test of two models on five data sets says p = 0.0 where
# the better one is named second, and .06 where it is named first; of two equal models it says 0.0 as well.
#
# stratified_two_sample() exchanges the two models' scores within each data set and counts how often the difference is at least the observed
# one: p for "greater". For "less" it takes one less this p. So draws that equal the observed difference are not among those that are at
# most as large, and the observed arrangement itself is left out, to which plus1, on unless told otherwise, is there to give its place.
# "two-sided" doubles the smaller of the two. Five pairs that all point one way have .0625, the least a test of them can give; here they
# have 0 on one side. The order of the names decides which, the alphabet's as a rule, as conditions are sorted. With more data sets and
# without ties what is lost is one arrangement; scores of a few digits tie often. sim_corr(), of correlations, has the same two lines.
# one_sample() and two_sample() of the package count ties to both sides and are right. The docstrings have a p-value, and nothing warns.
#
# Seen on 2026-11-30, five data sets, 2,000 draws:
#                                    stratified_two_sample               one_sample   exact
#                                 greater    less   two-sided            two-sided    two-sided
#   a better on all five             .031    .969        .063                 .066        .0625
#   b better on all five            1.000    .000        .000                 .066        .0625
#   equal on all five               1.000    .000        .000                1.000       1.0000
#   sim_corr(), three values, one
#   rising, the other falling       1.000    .000        .000                              .3333
#
# Exits 0 while this is so, 1 when it has changed. Way out: "greater" alone, with the models in both orders, and twice the smaller p.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet permute==0.2 cryptorandom==0.4 scipy==1.17.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from permute.core import one_sample
from permute.stratified import sim_corr, stratified_two_sample
from scipy.stats import permutation_test

DRAWS = 2_000
SIDES = ("greater", "less", "two-sided")
a = np.array([0.75, 0.8125, 0.6875, 0.78125, 0.71875])
gain = np.array([1, 2, 3, 5, 9]) / 1_024  # sums of such fractions are exact, so that equal arrangements are equal numbers
sets, models = np.tile(np.arange(5), 2), np.repeat(["a", "b"], 5)


def means_apart(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
    return first.mean(axis=axis) - second.mean(axis=axis)


def p_values(b: np.ndarray) -> tuple[np.ndarray, float, float]:
    """p of the three sides by stratified_two_sample(), two-sided p by one_sample() and by all 32 exchanges."""
    scores = np.concatenate([a, b])
    stratified = [stratified_two_sample(sets, models, scores, alternative=side, reps=DRAWS, seed=1)[0] for side in SIDES]
    flipped = one_sample(a, b, reps=DRAWS, alternative="two-sided", seed=1)[0]
    exact = permutation_test((a, b), means_apart, permutation_type="samples", n_resamples=np.inf).pvalue
    return np.array(stratified), flipped, exact


print(f"permute {version('permute')}: {', '.join(SIDES)}; one_sample; exact")
found = {name: p_values(b) for name, b in {"a better": a - gain, "b better": a + gain, "equal": a}.items()}
for name, (stratified, flipped, exact) in found.items():
    print(f"{name:9} {stratified.round(4)} {flipped:.4f} {exact:.4f}")
rising = np.array([1.0, 2.0, 3.0])
falling = np.array([sim_corr(rising, -rising, np.zeros(3), reps=DRAWS, alternative=side, seed=1)[0] for side in SIDES])
print(f"sim_corr  {falling.round(4)}")
zero = [1.0, 0.0, 0.0]  # p for greater, less and two-sided
same = all(np.allclose(p, zero, atol=1e-9) for p in (found["b better"][0], found["equal"][0], falling))
same &= np.allclose(found["a better"][0], (1 / 32, 31 / 32, 2 / 32), atol=0.02)
same &= all(abs(found[name][1] - 2 / 32) < 0.03 and abs(found[name][2] - 2 / 32) < 1e-9 for name in ("a better", "b better"))
raise SystemExit(0 if same and found["equal"][1] == found["equal"][2] == 1 else 1)
PYTHON
