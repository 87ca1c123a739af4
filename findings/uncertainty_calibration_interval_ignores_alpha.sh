#!/usr/bin/env bash
# uncertainty-calibration 0.1.4 (numpy 2.4.6, scikit-learn 1.9.1, Python 3.11): the 90 % interval of a calibration error, alpha=.1, is one
# of 99.9 %, half as wide again as it should be, and alpha=.5 gives nearly the same.
#
# get_calibration_error_uncertainties() and its twin for the top label are documented to return "1-alpha confidence intervals" with alpha=.1
# unless told otherwise. They hand alpha on to a function of the same library that takes it in percent, where 10 would be meant. Its
# percentiles are then 99.95 and .05 of 100 resamples: just about their largest and smallest. So the interval reaches about 2.5 standard
# errors to each side for each alpha between 0 and 1. Two models whose errors differ look alike, and "calibrated, within the error" is said
# too often. 10 instead of .1 is taken without a word and gives 90 %. The middle value does not depend on alpha. (The tracker has 13, open,
# which asks about that middle value.)
#
# Seen on 2026-11-30, 2,000 rows of five predicted values, measured error .063, width of the interval, mean of ten calls:
#                     get_calibration_error_uncertainties()   by 2,000 resamples of one's own
#   alpha=.01                                         .0515                             .0527
#   alpha=.1                                          .0513                             .0345
#   alpha=.5                                          .0500                             .0144
#   alpha=10                                          .0351
#
# Exits 0 while this is so, 1 when it has changed. Way out: alpha in percent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet uncertainty-calibration==0.1.4 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import calibration
import numpy as np

ROWS, LEVELS, PERCENT = 2_000, (0.01, 0.1, 0.5), 10.0
VALUES = np.array([0.05, 0.1, 0.2, 0.3, 0.5])
draw = np.random.default_rng(0)
kinds = draw.integers(0, len(VALUES), ROWS)
probabilities, clicks = VALUES[kinds], (draw.uniform(size=ROWS) < 1.15 * VALUES[kinds]).astype(int)


def error(rows: np.ndarray) -> float:
    """Root of the mean squared difference of predicted value and share of clicks, over the values, weighed by their rows."""
    counts = np.bincount(kinds[rows], minlength=len(VALUES))
    shares = np.bincount(kinds[rows], weights=clicks[rows], minlength=len(VALUES)) / counts
    return float((counts / len(rows) * (shares - VALUES) ** 2).sum() ** 0.5)


def width(resampled: list[float], alpha: float) -> float:
    return float(np.diff(np.percentile(resampled, [100 * alpha / 2, 100 - 100 * alpha / 2]))[0])


def interval(alpha: float, seed: int) -> tuple[float, float]:
    np.random.seed(seed)
    low, _, high = calibration.get_calibration_error_uncertainties(probabilities, clicks, alpha=alpha)
    return float(low), float(high)


agree = np.isclose(calibration.get_calibration_error(probabilities, clicks, debias=False), error(np.arange(ROWS)))
resampled = [error(draw.integers(0, ROWS, ROWS)) for _ in range(2_000)]
theirs = {alpha: float(np.mean([np.diff(interval(alpha, seed)) for seed in range(10)])) for alpha in (*LEVELS, PERCENT)}
print(f"uncertainty-calibration {version('uncertainty-calibration')}, error {error(np.arange(ROWS)):.4f}, by definition too: {agree}")
for alpha in LEVELS:
    print(f"alpha={alpha}: {theirs[alpha]:.4f} {width(resampled, alpha):.4f}")
print(f"alpha={PERCENT:.0f}: {theirs[PERCENT]:.4f}")
np.random.seed(0)  # the resamples that it has drawn
same_rows = [error(np.random.choice(ROWS, ROWS)) for _ in range(100)]
in_percent = np.allclose(np.diff(interval(0.1, 0)), width(same_rows, 0.001))
print(f"alpha=.1 is the interval of 99.9 % of its own resamples: {in_percent}")
same = agree and in_percent and theirs[0.5] > 0.93 * theirs[0.01] and abs(theirs[PERCENT] / width(resampled, 0.1) - 1) < 0.15
raise SystemExit(0 if same and theirs[0.1] > 1.3 * width(resampled, 0.1) and theirs[0.5] > 3 * width(resampled, 0.5) else 1)
PYTHON
