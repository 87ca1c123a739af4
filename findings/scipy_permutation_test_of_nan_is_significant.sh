#!/usr/bin/env bash
# scipy 1.17.1 (Python 3.11): permutation_test() of data with one NaN gives p = 0.0, the surest of all results, and no warning.
#
# One seed whose training diverged makes the statistic NaN, for the data as they are and for every permutation of them. The p-value is the
# share of permutations whose statistic is as extreme, and no comparison with NaN is true: 0 of 32. Where permutations are drawn instead
# of counted out, one is added to both sides: p is 1/10,000, doubled for two sides. monte_carlo_test() and pearsonr() with a
# PermutationMethod do the same; ttest_rel(), wilcoxon() and other tests by formula give NaN. A loop that marks p < .05 marks the
# comparisons that could not be made, and a correction for many tests, Holm's say, puts them first.
#
# Seen on 2026-11-29, AUC of five seeds against five, the same but for the last one, which is NaN in the second row:
#   p of permutation_test 0.4375, of ttest_rel 0.3739
#   p of permutation_test 0.0,    of ttest_rel nan
#   twenty seeds, one NaN: 0.0002
#
# Exits 0 while this is so, 1 when it has changed. Way out: look at the result's statistic, which is NaN, before its p-value.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'PYTHON'
import math
import warnings

import numpy as np
from scipy import stats

warnings.simplefilter("error")
ours = np.array([0.8018, 0.8020, 0.7995, 0.8031, 0.8024])
theirs = np.array([0.8015, 0.8018, 0.7999, 0.8027, 0.8022])


def by_permutation(first: np.ndarray, second: np.ndarray) -> float:
    def mean_difference(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return (x - y).mean(axis)

    return float(stats.permutation_test((first, second), mean_difference, permutation_type="samples", rng=1).pvalue)


def by_t(first: np.ndarray, second: np.ndarray) -> float:
    return float(stats.ttest_rel(first, second).pvalue)


diverged = np.append(ours[:-1], math.nan)
whole, broken = by_permutation(ours, theirs), by_permutation(diverged, theirs)
many = np.random.default_rng(0).normal(size=(2, 20))
many[0, 3] = math.nan
drawn = by_permutation(*many)
print(f"scipy {__import__('scipy').__version__}")
print(f"all five seeds: permutation_test {whole:.4f}, ttest_rel {by_t(ours, theirs):.4f}")
print(f"one of them NaN: permutation_test {broken}, ttest_rel {by_t(diverged, theirs)}")
print(f"one of twenty NaN, permutations drawn: {drawn}")
raise SystemExit(0 if whole > 0.05 and broken == 0 and drawn < 0.001 and math.isnan(by_t(diverged, theirs)) else 1)
PYTHON
