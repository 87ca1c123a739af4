#!/usr/bin/env bash
# autorank 1.3.0 (scipy 1.17.1, Python 3.11): of two models, one that wins on 14 of 15 data sets has p = 1.0, and one data set more or
# less decides which of the two is tested.
#
# Where two columns are not normal, autorank() takes Wilcoxon's signed rank test, documented without a side. It looks which column has the
# larger median and asks, one-sided, whether that one is greater. The test is of the pairs' differences, the median is not: where data sets
# differ more than models do it is a value of one data set, the one in the middle. If the better model loses there, the wrong side is
# tested, and the report says that there is no significant difference. Where nothing but the models differs the median tends to point the
# way the test goes: a side that was chosen after looking, so that a two-sided p = .064 is .032, and twice as many of equal models are
# "significant". verbose=True names the test one-sided, and a report says "is not greater"; that the data chose the side nothing tells.
# The t test of normal columns has two sides. (The tracker has 19 about names in the report that were exchanged; closed.)
#
# Seen on 2026-11-30, level .05:
#                                                                   autorank   scipy.stats.wilcoxon
#   b better by .004 on 14 of 15 data sets, .001 worse on the 8th     1.0000                  .0001
#   b better by .004 on all 15                                        <.0001                  .0001
#   one experiment with equal models, 15 seeds each                     .032                   .064
#   300 of them, those with p < .05                                       26                     13
#
# Exits 0 while this is so, 1 when it has changed. Way out: scipy.stats.wilcoxon(a, b) for two models.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet autorank==1.3.0 scipy==1.17.1 pandas==3.1.1 numpy==2.4.6
cd "$folder"
MPLCONFIGDIR="$folder" "$folder/venv/bin/python" -W ignore::DeprecationWarning - <<'PYTHON'
import contextlib
import io
from importlib.metadata import version

import numpy as np
import pandas as pd
from autorank import autorank
from scipy.stats import wilcoxon


def tests(a: np.ndarray, b: np.ndarray, mode: str | None = None) -> tuple[float, float]:
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a table at each call
        result = autorank(pd.DataFrame({"a": a, "b": b}), force_mode=mode)
    assert result.omnibus == "wilcoxon"
    return result.pvalue, wilcoxon(a, b).pvalue


# AUC of 15 data sets: most are hard, some easy, so that neither column is normal
levels = np.array([0.601, 0.603, 0.606, 0.610, 0.613, 0.617, 0.621, 0.640, 0.660, 0.671, 0.942, 0.955, 0.961, 0.972, 0.983])
ripple = np.arange(15) * 1e-5  # no ties among the differences
wins = levels + 0.004 + ripple
middle = wins.copy()
middle[7] = levels[7] - 0.001
draw = np.random.default_rng(0)
print(f"autorank {version('autorank')}: p of autorank, p of wilcoxon")
loses_one, wins_all = tests(levels, middle), tests(levels, wins)
print(f"b better on 14 of 15 data sets {loses_one[0]:.4f} {loses_one[1]:.4f}\nb better on all 15 {wins_all[0]:.6f} {wins_all[1]:.6f}")
equal = [tests(draw.standard_t(2, size=15), draw.standard_t(2, size=15), "nonparametric") for _ in range(300)]
counts = [sum(p[i] < 0.05 for p in equal) for i in range(2)]
halved = next((p for p in equal if 0.05 < p[1] < 0.1 and p[0] < 0.05), (1.0, 1.0))
print(f"one of equal models {halved[0]:.3f} {halved[1]:.3f}\nof 300 experiments with equal models p < .05: {counts[0]} {counts[1]}")
missed = loses_one[0] > 0.99 and loses_one[1] < 0.002 and max(wins_all) < 0.001
raise SystemExit(0 if missed and counts[0] > 1.5 * counts[1] and abs(halved[1] / halved[0] - 2) < 1e-9 else 1)
PYTHON
