#!/usr/bin/env bash
# netcal 1.4.0 (torch 2.13.0, CPU build, numpy 2.4.6, Python 3.11): the maximum mean calibration error of a perfectly calibrated model of
# rare clicks is .87, its ECE .005; the worse a model exaggerates the better its MMCE, and one that says .49 to all is best.
#
# MMCE().measure(X, y) takes "1-D for binary classification". Its formula, in the docstring, pairs the probability of the predicted class
# with whether that class was right. For a vector the predicted class is 1 above .5 and else 0, and whether it was right is found by that.
# But the probability beside it stays that of class 1. A row without a click that is given .05 counts as right, at a confidence of .05 where
# it is .95, so that it is .95 off. Where no prediction is above .5, as for clicks, the measure is about 1 minus the click rate minus the
# mean prediction, whatever the model, and a calibration that mends ECE makes MMCE worse. Of two columns, 1 − p and p, the same function
# gives the right figure, and ECE, ACE and MCE of the package are the same for a vector and for two columns. Nothing warns.
#
# Seen on 2026-11-30, 4,000 rows, 4.6 % clicks:
#                                       MMCE(p)   MMCE(1 − p, p)   by definition   ECE(p)   ECE(1 − p, p)
#   the true probabilities                .8661            .0046           .0046    .0051           .0051
#   half of them                          .9087            .0201           .0201    .0207           .0207
#   ten times, at most .499               .4817            .2900           .2900    .3251           .3251
#   .49 for all                           .4640            .4440           .4440    .4440           .4440
#
# Exits 0 while this is so, 1 when it has changed. Way out: np.column_stack([1 - p, p]).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
"$folder/venv/bin/python" -m pip install --quiet --no-deps netcal==1.4.0
cd "$folder"
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
"$folder/venv/bin/python" -W error - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from netcal.metrics import ECE, MMCE

ROWS, RATE = 4_000, 0.05
draw = np.random.default_rng(0)
truth = draw.beta(2, 2 / RATE - 2, ROWS)
clicks = (draw.random(ROWS) < truth).astype(int)
models = {
    "the true probabilities": truth,
    "half of them": truth / 2,
    "ten times, at most .499": np.minimum(10 * truth, 0.499),
    ".49 for all": np.full(ROWS, 0.49),
}


def kernel_mean(p: np.ndarray, confidence: np.ndarray) -> float:
    """Root of the mean over all pairs of rows of the two differences times exp(−2.5 · the distance of the two confidences)."""
    difference = ((p > 0.5) == clicks) - confidence
    return float((difference @ np.exp(-2.5 * np.abs(confidence[:, None] - confidence)) @ difference) ** 0.5 / len(p))


print(f"netcal {version('netcal')}, click rate {clicks.mean():.4f}: MMCE of p, of 1 − p and p, by definition; ECE of p, of 1 − p and p")
rows = []
for name, p in models.items():
    two = np.column_stack([1 - p, p])
    own = kernel_mean(p, p)
    row = [float(MMCE().measure(x, clicks)) for x in (p, two)] + [kernel_mean(p, np.maximum(p, 1 - p))]
    row += [float(ECE(10).measure(x, clicks)) for x in (p, two)]
    rows.append([*row, own])
    print(f"{name:24}", *(f"{value:.4f}" for value in row))
vector, columns, exact, ece, ece_columns, own = np.array(rows).T
shown = np.allclose(vector, own) and np.allclose(columns, exact) and np.allclose(ece, ece_columns)
order = vector[1] > vector[0] > vector[2] > vector[3] and np.all(np.diff(columns) > 0) and np.all(np.diff(ece) > 0)
raise SystemExit(0 if shown and order and vector[0] > 0.8 and max(columns[0], ece[0]) < 0.01 else 1)
PYTHON
