#!/usr/bin/env bash
# uncertainty-toolbox 0.1.1 (scipy 1.17.1, scikit-learn 1.9.1, numpy 2.4.6, Python 3.11): recalibrated by get_quantile_recalibrator(), the
# 90 % quantile of a model whose predictions are too low has 24 % of the outcomes below it; before it had 61 %.
#
# A quantile is recalibrated with the shares of outcomes that lie below the model's own quantiles, on data that were held out. The functions
# that count these shares with prop_type="quantile" take prediction less outcome where it should be outcome less prediction: they count what
# lies above the quantile on the other side. For errors that are symmetrical about 0 both are the same. A model with a bias is moved away
# from its data, by about as much again, and errors with a long tail, as of counts, prices or watch time, are spread the wrong way round.
# get_quantile() has the usual sign. The calibration errors come out right, as one curve is the mirror of the other; the curve itself shows
# a model that is too low as one that is too high. "interval" looks at both sides and is right. Nothing warns.
#
# Seen on 2026-11-30, 20,000 outcomes to recalibrate with and 20,000 new ones, share of the new ones below the quantile of the level:
#                                        10 %                  50 %                  90 %
#   errors                          before   after        before   after        before   after
#   one deviation too low             .012    .000          .157    .023          .611    .236
#   exponential, mean 0               .000    .000          .636    .730          .898    .849
#   half as wide, symmetrical         .005    .096          .497    .495          .995    .900
#
# Exits 0 while this is so, 1 when it has changed. Way out: hand it the negatives, recalibrator = get_quantile_recalibrator(-mean, std,
# -outcome), which is then right for recalibrator(mean, std, level).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet uncertainty-toolbox==0.1.1 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$folder"
MPLCONFIGDIR="$folder" "$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from uncertainty_toolbox import get_proportion_lists_vectorized
from uncertainty_toolbox.metrics_calibration import get_quantile
from uncertainty_toolbox.recalibration import get_quantile_recalibrator

ROWS, LEVELS = 20_000, (0.1, 0.5, 0.9)
draw = np.random.default_rng(0)
errors = {
    "one deviation too low": lambda: draw.normal(size=ROWS) + 1,
    "exponential, mean 0": lambda: draw.exponential(size=ROWS) - 1,
    "half as wide, symmetrical": lambda: draw.normal(size=ROWS) / 2,
}
std = np.ones(ROWS)
print(f"uncertainty-toolbox {version('uncertainty-toolbox')}: share below the quantile of {LEVELS}, before, after, by the negatives")
found = {}
for name, error in errors.items():
    mean, other = draw.normal(size=(2, ROWS))
    outcome, new = mean + error(), other + error()
    recalibrator = get_quantile_recalibrator(mean, std, outcome)
    turned = get_quantile_recalibrator(-mean, std, -outcome)
    before = [float((new <= get_quantile(other, std, level)).mean()) for level in LEVELS]
    after = [float((new <= recalibrator(other, std, level)).mean()) for level in LEVELS]
    right = [float((new <= turned(other, std, level)).mean()) for level in LEVELS]
    found[name] = before, after, right
    print(f"{name:26}", *(f"{value:.3f}" for values in found[name] for value in values))
low, tail, even = found.values()
levels, shares = get_proportion_lists_vectorized(-np.ones(ROWS), std, draw.normal(size=ROWS), prop_type="quantile")
counted = float(shares[np.abs(levels - 0.1).argmin()])
print(f"share that it counts below the 10 % quantile of a model that is one deviation too low: {counted:.3f}")
same = all(np.allclose(right, LEVELS, atol=0.02) for _, _, right in found.values()) and np.allclose(even[1], LEVELS, atol=0.02)
same &= all(after < before - 0.005 for before, after in zip(low[0], low[1], strict=True)) and low[1][2] < 0.3 < 0.55 < low[0][2]
same &= tail[1][1] > tail[0][1] + 0.05 > 0.65 and tail[1][2] < tail[0][2] - 0.03 and counted > 0.3
raise SystemExit(0 if same else 1)
PYTHON
