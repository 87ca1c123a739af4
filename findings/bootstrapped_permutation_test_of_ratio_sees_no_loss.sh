#!/usr/bin/env bash
# bootstrapped 0.0.2 (numpy 2.4.6, scipy 1.17.1, Python 3.11): the permutation test of the ratio of two click rates has p = 1.000 for a
# model with half the clicks, and p = .000 for the same two models in the other order; by their difference it is .000 for both.
#
# permutation_test(test, ctrl, stat_func, compare_func) names four functions to compare with, ratio among them. The p-value is the share of
# the shuffled values that are at least |value| or at most −|value|: two-sided about 0. Without an effect the difference and the two
# percentages are 0 but the ratio is 1, and no ratio of rates is negative. So of the ratio the test has one side, the larger one: a loss
# is never significant, however large, with a p near 1 where .05 is the limit, and a gain is so more often than by the difference.
# bootstrap_ab() with the same function has a right interval. Nothing warns.
#
# Seen on 2026-12-01, 2,000 rows each; p by ratio, difference, percent_change and percent_difference:
#   5 % against 10 %   1.0000   .0000   .0005   .0000   (95 % interval of the ratio by bootstrap_ab: .37 to .61)
#   10 % against 5 %    .0000   .0000   .0000   .0000
# and the share with p < .05 of 200 pairs of samples with 9.0 % and 10.5 %:
#   the worse second     .435    .355    .395    .340
#   the worse first      .000    .355    .285    .340
#
# Exits 0 while this is so, 1 when it has changed. Way out: compare_functions.difference.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 matplotlib==3.10.8
"$folder/venv/bin/python" -m pip install --quiet --no-deps bootstrapped==0.0.2
cd "$folder"
export OPENBLAS_NUM_THREADS=1
"$folder/venv/bin/python" -W error - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from bootstrapped import bootstrap, compare_functions, permutation, stats_functions

ROWS, SHUFFLES, PAIRS = 2_000, 200, 200
NAMES = "ratio", "difference", "percent_change", "percent_difference"
np.random.seed(0)  # the library draws from the global generator


def clicks(rate: float) -> np.ndarray:
    return (np.random.random(ROWS) < rate).astype(float)


def p_values(test: np.ndarray, control: np.ndarray, times: int = SHUFFLES) -> list[float]:
    return [
        float(permutation.permutation_test(test, control, stats_functions.mean, getattr(compare_functions, name), num_iterations=times))
        for name in NAMES
    ]


few, many = np.arange(ROWS) % 20 == 0, np.arange(ROWS) % 10 == 0
half, twice = p_values(few * 1.0, many * 1.0, 4_000), p_values(many * 1.0, few * 1.0, 4_000)
interval = bootstrap.bootstrap_ab(few * 1.0, many * 1.0, stats_functions.mean, compare_functions.ratio, num_iterations=2_000)
print(f"bootstrapped {version('bootstrapped')}: p by {', '.join(NAMES)}")
print("half the clicks ", *half, f"ratio by bootstrap_ab {interval.lower_bound:.2f} to {interval.upper_bound:.2f}")
print("twice the clicks", *twice)
pairs = [(clicks(0.105), clicks(0.09)) for _ in range(PAIRS)]
gain = (np.array([p_values(better, worse) for better, worse in pairs]) < 0.05).mean(0)
loss = (np.array([p_values(worse, better) for better, worse in pairs]) < 0.05).mean(0)
print("share with p < .05, the worse second:", *gain.round(3))
print("share with p < .05, the worse first: ", *loss.round(3))
sure = half[0] > 0.999 and max(half[1:] + twice) < 0.002 and interval.upper_bound < 0.75
often = gain[0] > gain[1] + 0.05 and loss[0] < 0.01 and min(gain[1:].min(), loss[1:].min()) > 0.25
raise SystemExit(0 if sure and often else 1)
PYTHON
