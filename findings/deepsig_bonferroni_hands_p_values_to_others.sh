#!/usr/bin/env bash
# deepsig 1.2.8 (scipy 1.17.1, numpy 2.4.6, Python 3.11): bonferroni_correction() of p = .9, .001, .002 is .004, .9, .003: a comparison
# without any effect is significant, and the surest one is not.
#
# The function sorts the p-values, corrects them, and puts them back into the order in which they came. For this it reads by the sort's
# indices where it should write by them. That is the same for two values, and for more only where the order undoes itself. Of three random
# p-values a third of the answers are wrong, of ten nine in ten: each figure is the right one of some comparison, and stands beside another.
# What is there to keep the rate of false verdicts below 5 % makes it 94 % as soon as a few effects are real. Sorted input comes out right,
# the figures are those expected, in another order, and nothing warns. (The factors are N, N − 1, … 1, those of Holm's correction, without
# its maximum over the values before: that is known, the tracker has 2, closed.)
#
# Seen on 2026-11-30:
#                                                                     deepsig           N·p, at most 1
#   p = .9, .001, .002                                                .004, .9, .003    1, .003, .006
#   ten comparisons, three with an effect of four standard errors, 2,000 times, level .05:
#     one or more of the seven without an effect significant          .940              .033
#     of the three with an effect significant                         .363              .924
#   random p-values, 2,000 times, figures beside another comparison than their own:
#     2, 3, 5, 10, 20 comparisons                                     .000, .321, .709, .901, .956 of the times
#
# Exits 0 while this is so, 1 when it has changed. Way out: N·p, or multipletests() of statsmodels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet deepsig==1.2.8 numpy==2.4.6 scipy==1.17.1
cd "$folder"
export OPENBLAS_NUM_THREADS=1
"$folder/venv/bin/python" -W error - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from deepsig import bonferroni_correction
from scipy import stats

TIMES, COMPARISONS, REAL, LEVEL = 2_000, 10, 3, 0.05
draw = np.random.default_rng(0)


def misplaced(number: int) -> float:
    """How often a figure is not that of its own comparison, by the factors that the library itself takes."""
    count = 0
    for _ in range(TIMES):
        p_values = draw.random(number)
        places = stats.rankdata(p_values, method="ordinal")
        count += not np.allclose(bonferroni_correction(p_values), np.minimum(1, (number + 1 - places) * p_values))
    return count / TIMES


def verdicts() -> np.ndarray:
    """A row for deepsig and one for N·p: how often one without an effect is significant, and the share of those with one that are."""
    sums = np.zeros((2, 2))
    for _ in range(TIMES):
        real = draw.permutation(COMPARISONS) < REAL
        p_values = stats.norm.sf(draw.normal(np.where(real, 4.0, 0.0)))
        both = bonferroni_correction(p_values), np.minimum(1, COMPARISONS * p_values)
        sums += [(np.any(found[~real] <= LEVEL), np.mean(found[real] <= LEVEL)) for found in both]
    return sums / TIMES


given = np.array([0.9, 0.001, 0.002])
three, in_order = bonferroni_correction(given), bonferroni_correction(np.sort(given))
shares = {number: misplaced(number) for number in (2, 3, 5, 10, 20)}
own, right = verdicts()
print(f"deepsig {version('deepsig')}\nof .9, .001, .002: {np.round(three, 4)}; of .001, .002, .9: {np.round(in_order, 4)}")
print(f"any false verdict {own[0]:.3f}, by N·p {right[0]:.3f}; of the real ones {own[1]:.3f}, by N·p {right[1]:.3f}")
print("beside another comparison:", ", ".join(f"{number}: {share:.3f}" for number, share in shares.items()))
elsewhere = np.allclose(three, [0.004, 0.9, 0.003]) and np.allclose(in_order, [0.003, 0.004, 0.9])
often = shares[2] == 0 and 0.25 < shares[3] < 0.4 and shares[10] > 0.8
useless = own[0] > 0.8 and own[1] < 0.5 and right[0] < 0.05 and right[1] > 0.85
raise SystemExit(0 if elsewhere and often and useless else 1)
PYTHON
