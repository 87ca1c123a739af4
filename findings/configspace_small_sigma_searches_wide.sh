#!/usr/bin/env bash
# configspace 1.2.2 (numpy 2.4.6, scipy 1.17.1, Python 3.11): the Normal prior of a learning rate on the log scale is the wider the smaller
# its sigma, and sigma=1 makes the rate a constant.
#
# Float(…, log=True, distribution=Normal(mu, sigma)) is documented with sigma as the standard deviation of the float. ConfigSpace turns it
# into one on the log scale as |ln(lower + sigma)| over the logarithm of the range. That is no standard deviation in any unit: it is 0 where
# lower + sigma is 1, and grows to both sides, so that .5 and 2 are one prior, and .001, meant to stay close to mu, covers the whole range.
# Who reads sigma as one in logarithms, where 1 is a plain choice, searches one value in all trials; the configurations look like any other,
# each with its digits. Integer(…, log=True) does the same. Nothing warns. Without log the spread is what was asked for.
#
# Seen on 2026-11-29, lr from 1e-5 to 1e-1, mu=1e-3, 5,000 configurations, the middle two thirds of them:
#   sigma   .001   5.1e-5 to 1.9e-2
#   sigma   .1     1.2e-4 to 8.0e-3
#   sigma   .5     5.1e-4 to 1.9e-3
#   sigma  1       1.0e-3 to 1.0e-3   (standard deviation of the logarithm 1e-5)
#   sigma  2       5.1e-4 to 1.9e-3
#   sigma 10       1.2e-4 to 8.0e-3
#   without log, 0 to 10, mu=5, sigma=1: 4.0 to 6.0
#
# Exits 0 while this is so, 1 when it has changed. Way out: a Normal over the logarithm itself, without log=True, and exp() of what
# it gives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet ConfigSpace==1.2.2 numpy==2.4.6 scipy==1.17.1
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
from __future__ import annotations

from importlib.metadata import version

import numpy as np
from ConfigSpace import ConfigurationSpace, Float, Integer, Normal


def drawn(parameter: Float | Integer) -> np.ndarray:
    space = ConfigurationSpace(seed=0)
    space.add(parameter)
    return np.array([configuration[parameter.name] for configuration in space.sample_configuration(5_000)])


print(f"ConfigSpace {version('ConfigSpace')}")
middle, spread = {}, {}
for sigma in (0.001, 0.1, 0.5, 1.0, 2.0, 10.0):
    rates = drawn(Float("lr", (1e-5, 1e-1), log=True, distribution=Normal(1e-3, sigma)))
    middle[sigma], spread[sigma] = np.quantile(rates, [1 / 6, 5 / 6]), np.log(rates).std()
    print(f"sigma {sigma}: {middle[sigma][0]:.1e} to {middle[sigma][1]:.1e}, standard deviation of the logarithm {spread[sigma]:.1e}")
linear = drawn(Float("x", (0, 10), distribution=Normal(5, 1)))
print(f"without log: {np.quantile(linear, 1 / 6):.2f} to {np.quantile(linear, 5 / 6):.2f}, standard deviation {linear.std():.2f}")
units = {sigma: drawn(Integer("units", (1, 1024), log=True, distribution=Normal(32, sigma))).std() for sigma in (0.001, 10.0)}
print(f"units of 1 to 1024 on the log scale, mu=32, standard deviation: {units}")
falls = spread[0.001] > spread[0.1] > spread[0.5] > spread[1.0]
constant = spread[1.0] < 1e-4 and middle[0.001][1] > 100 * middle[0.001][0]
twins = abs(spread[0.5] / spread[2.0] - 1) < 0.05 and abs(spread[0.1] / spread[10.0] - 1) < 0.05
raise SystemExit(0 if falls and constant and twins and abs(linear.std() - 1) < 0.05 else 1)
PYTHON
