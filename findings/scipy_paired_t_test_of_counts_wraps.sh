#!/usr/bin/env bash
# scipy 1.17.1, statsmodels 0.15.0 (polars 2.1.0, Python 3.11): the paired t test of two columns of counts says "more, p = 5e-50" where each
# of the pairs has less.
#
# Counts from Polars are UInt32. ttest_rel() subtracts one column from the other in the type that it got, and only then takes means: 40 − 41
# is 4,294,967,295. Where all differences are negative they become nearly one large number, with the sign turned and hardly any spread;
# where the signs are mixed an effect is lost. statsmodels' ttost_paired(), the test for equivalence, does the same. Nothing warns.
# wilcoxon() and ttest_ind() of the same columns are right, and so is ttest_rel() of lists.
#
# Seen on 2026-11-29, clicks on six days with model a, and with b, where b has 1 to 3 more on each day:
#                                    UInt32             float
#   ttest_rel            t, p   1.3e10, 5.3e-50     −5.0, .0041
#   the same, "greater"     p          2.7e-50            .998
#   ttost_paired, ±5        p              1.0          8.5e-5
#   wilcoxon                p             .031            .031
#
# Exits 0 while this is so, 1 when it has changed. Way out: .astype(float) on both columns, or ttest_1samp() of a difference of one's own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0 polars==2.1.0
cd "$folder"
"$folder/venv/bin/python" -W error::RuntimeWarning - <<'PYTHON'
import numpy as np
import polars as pl
import scipy
from scipy.stats import ttest_rel, wilcoxon
from statsmodels.stats.weightstats import ttost_paired

a, b = [40, 52, 47, 61, 38, 55], [41, 54, 48, 64, 40, 56]
log = pl.DataFrame({"day": np.repeat(np.arange(12) % 6, a + b), "model": np.repeat(["a", "b"], [sum(a), sum(b)])})


def clicks(model: str) -> np.ndarray:
    return log.filter(pl.col("model") == model).group_by("day").len().sort("day")["len"].to_numpy()


def tests(x: np.ndarray, y: np.ndarray) -> list[float]:
    two_sided, greater = ttest_rel(x, y), ttest_rel(x, y, alternative="greater")
    values = two_sided.statistic, two_sided.pvalue, greater.pvalue, ttost_paired(x, y, -5, 5)[0], wilcoxon(x, y).pvalue
    return [float(f"{v:.3g}") for v in values]


x, y = clicks("a"), clicks("b")
counts, floats = tests(x, y), tests(x.astype(float), y.astype(float))
print(f"scipy {scipy.__version__}, {x.tolist()} and {y.tolist()}: t, p, p of greater, p of ttost_paired, p of wilcoxon")
print(f"{x.dtype} {counts}\nfloat  {floats}")
wrong = counts[0] > 1e9 and counts[1] < 1e-40 and counts[2] < 1e-40 and counts[3] > 0.9
right = floats[0] == -5.0 and floats[1] == 0.0041 and floats[2] > 0.99 and floats[3] < 1e-4
raise SystemExit(0 if (x.tolist(), y.tolist()) == (a, b) and wrong and right and counts[4] == floats[4] else 1)
PYTHON
