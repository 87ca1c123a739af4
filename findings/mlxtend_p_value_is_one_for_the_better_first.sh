#!/usr/bin/env bash
# mlxtend 0.25.0 (statsmodels 0.15.0, scipy 1.17.1, numpy 2.4.6, Python 3.11): of two models that are right on 90 % and on 80 % of 1,000
# rows each, proportion_difference() says p = 1.0, and p = 1.3e-10 if they are named the other way round.
#
# The user's guide speaks of a null hypothesis that both proportions are the same, of a two-tailed alternative, of z > 1.96, and has p
# compared with the level. But p is the area below z, whatever its sign: the probability of an even smaller difference, first minus second.
# That is a test of the second being better. With the new model named first, as many do, no gain can ever be significant, the clearest
# least of all, and a loss is, at half the p of a two-tailed test. The guide's own example, .84 and .92 of 100 rows, has the worse one
# first and calls its p = .040 a significant difference between the two; with both sides it is .079, and .960 the other way round. The
# docstring says "the p-value", there is no parameter for a side, and z is right. mcnemar(), cochrans_q() and the t tests of the same
# module have two sides. Nothing warns.
#
# Seen on 2026-11-30, p:                             mlxtend   the other way round   statsmodels, both ways
#   right on .90 and .80 of 1,000 rows each        1 − 1.3e-10               1.3e-10                  3.8e-10
#   the guide's: .84 and .92 of 100 rows                  .040                  .960                     .082
#   1,120 and 1,000 clicks of 20,000 views each           .996                 .0037                    .0074
# and how often p is at most .05, 2,000 times 20,000 views of each of two lists, by mlxtend and by statsmodels:
#   click rates .056 and .050, the better one first       .000  .773
#   click rates .050 and .056                             .852  .762
#   click rates .050 and .050                             .044  .053
#
# Exits 0 while this is so, 1 when it has changed. Way out: 2 * scipy.stats.norm.sf(abs(z)), or proportions_ztest() of statsmodels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet mlxtend==0.25.0 scikit-learn==1.9.1 statsmodels==0.15.0 pandas==3.1.1 matplotlib==3.11.2 \
    numpy==2.4.6 scipy==1.17.1
cd "$folder"
export OPENBLAS_NUM_THREADS=1
"$folder/venv/bin/python" -W error - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from mlxtend.evaluate import proportion_difference
from scipy import stats
from statsmodels.stats.proportion import proportions_ztest

TIMES, VIEWS, LEVEL = 2_000, 20_000, 0.05
draw = np.random.default_rng(0)


def library(first: int, second: int, rows: int) -> tuple[float, float]:
    z, p = proportion_difference(first / rows, second / rows, rows)
    return float(z), float(p)


def both_sides(first: int, second: int, rows: int) -> float:
    return float(proportions_ztest([first, second], [rows, rows])[1])


def often(first: float, second: float) -> tuple[float, float]:
    """How often p is at most the level, by the library and by statsmodels, of clicks at these two rates."""
    clicks = draw.binomial(VIEWS, (first, second), (TIMES, 2)).tolist()
    own = [library(*row, VIEWS)[1] <= LEVEL for row in clicks]
    return float(np.mean(own)), float(np.mean([both_sides(*row, VIEWS) <= LEVEL for row in clicks]))


print(f"mlxtend {version('mlxtend')}: p, the other way round, statsmodels both ways, 2·P(Z > |z|)")
found, area = {}, True
for first, second, rows in ((900, 800, 1_000), (84, 92, 100), (1_120, 1_000, VIEWS)):
    (z, p), (turned, other) = library(first, second, rows), library(second, first, rows)
    one, same = both_sides(first, second, rows), both_sides(second, first, rows)
    found[first] = p, other, one
    area &= bool(np.isclose(p, stats.norm.cdf(z)) and np.isclose(p + other, 1))
    print(f"  {first} and {second} of {rows}: {p:.10f} {other:.3g} {one:.3g} {same:.3g} {2 * stats.norm.sf(abs(z)):.3g}")
    if turned != -z or not np.isclose(one, same):
        raise SystemExit("z is not that of the difference, or statsmodels has one side")
shares = {rates: often(*rates) for rates in ((0.056, 0.05), (0.05, 0.056), (0.05, 0.05))}
for rates, (own, right) in shares.items():
    print(f"  click rates {rates}: {own:.3f}, statsmodels {right:.3f}")
sure = found[900][0] > 1 - 1e-9 and found[900][2] < 1e-8 and found[84][0] < LEVEL < found[84][2]
blind = shares[0.056, 0.05][0] == 0 < 0.7 < min(shares[0.056, 0.05][1], *shares[0.05, 0.056])
raise SystemExit(0 if area and sure and blind else 1)
PYTHON
