#!/usr/bin/env bash
# scikit-posthocs 0.17.1 (scipy 1.17.1, numpy 2.4.6, Python 3.11): posthoc_quade(dist="normal") of three equal models on 300 data sets finds
# each pair different in a quarter of all experiments at the level .05; dist="t" in a twentieth.
#
# The test ranks the models within each data set and weighs a data set by the rank of its range. "normal" divides the difference of two
# weighted sums by what should be its standard deviation under equality. That has the number of data sets in it, and the function puts in
# the number of all values, data sets times models. So z is too large by the root of 2k/(k − 1) for k models: twice for two, 1.7 times for
# three, never less than 1.4 times, however many data sets there are. Who takes "normal" because t tends to it sees p = .0007 for a true
# .05, and a correction for many pairs starts from such values. t is estimated from the data and right. Nothing warns,
# and the documentation names "normal" as the other choice, without a condition.
#
# Seen on 2026-11-30, 1,000 experiments with equal models each, share of them with p < .05 for the first two:
#   data sets, models         "normal"     "t"   normal, by the number of data sets
#    30          2               .354     .056          .056
#    30          3               .249     .057          .056
#    30         10               .191     .062          .063
#   300          3               .277     .047          .046
#
# Exits 0 while this is so, 1 when it has changed. Way out: dist="t", which is what it takes unless told otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet scikit-posthocs==0.17.1 scipy==1.17.1 pandas==3.1.1 statsmodels==0.15.0 numpy==2.4.6
cd "$folder"
MPLCONFIGDIR="$folder" "$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from scikit_posthocs import posthoc_quade
from scipy.stats import norm, rankdata


def by_definition(scores: np.ndarray) -> tuple[float, float]:
    """z and p of the first two models: the variance is that of a sum over data sets of weight times difference of two ranks of k."""
    models = scores.shape[1]
    weights = rankdata(np.ptp(scores, axis=1))
    ranks = rankdata(scores, axis=1)
    variance = (weights**2).sum() * models * (models + 1) / 6
    z = abs((weights * (ranks[:, 0] - ranks[:, 1])).sum()) / variance**0.5
    return z, 2 * norm.sf(z)


draw = np.random.default_rng(0)
print(f"scikit-posthocs {version('scikit-posthocs')}: share with p < .05; normal, t, normal by definition")
same = True
for sets, models in ((30, 2), (30, 3), (30, 10), (300, 3)):
    found = []
    for _ in range(1_000):
        scores = draw.normal(size=(sets, models))
        normal, t = (float(posthoc_quade(scores, dist=dist).iloc[0, 1]) for dist in ("normal", "t"))
        z, right = by_definition(scores)
        found.append((normal, t, right))
        if z > 0.1:  # how many times too large z is
            same &= abs(norm.isf(normal / 2) / z - (2 * models / (models - 1)) ** 0.5) < 0.05
    normal, t, right = (np.array(found) < 0.05).mean(axis=0)
    print(f"{sets:4} data sets, {models:2} models: {normal:.3f} {t:.3f} {right:.3f}")
    same &= normal > 0.13 and 0.03 < t < 0.075 and 0.03 < right < 0.075
print(f"p of three models where .05 is right: {2 * norm.sf(norm.isf(0.025) * 3**0.5):.4f}")
raise SystemExit(0 if same else 1)
PYTHON
