#!/usr/bin/env bash
# statsmodels 0.15.0 (scipy 1.17.1, Python 3.11): solve_power(power=.8) names a sample whose power, by statsmodels itself, is .34.
#
# TTestPower looks for the number of pairs by a root finder. At strict levels, as Holm's or Bonferroni's first steps are, power() is NaN for
# some numbers (SciPy's noncentral t, see scipy_noncentral_t_tail_is_nan.sh), and a search that meets one comes to rest below the root and
# returns where it stands, without the ConvergenceWarning that statsmodels has for such ends. The number is too small and looks like any
# other: five seeds where seven are needed. power() of it is a plain number again, and is not what was asked for. With 0 for NaN all below
# are right. At levels of .005 or more with an effect of two deviations or less nothing was seen to be wrong.
#
# Seen on 2026-11-29, one sample or pairs, two-sided, power=.8 asked for, no warning:
#   level  .001, effect 3: n = 4.97, power() there .34, by integration of the definition .34; needed 6.61
#   level  .005, effect 4: n = 3.13, power() there .26, .26; needed 4.34
#   level .0005, effect 4: n = 4.18, power() there .17, .17; needed 6.00
#   level   .05, effect 1: n = 9.94, power() there .80, .80; needed 9.94
#
# Exits 0 while this is so, 1 when it has changed. Way out: hand what solve_power() returns to power(), or step through whole numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 statsmodels==0.15.0
"$folder/venv/bin/python" - <<'PYTHON'
import math
import warnings

import statsmodels
from scipy import integrate, optimize, stats
from statsmodels.stats.power import TTestPower

warnings.simplefilter("error")


def definition(n: float, level: float, effect: float) -> float:
    """The chance that |t| is above the level's limit: a normal variable against ±limit·s, over the distribution of s = √(χ²/df)."""
    limit, shift = stats.t.isf(level / 2, n - 1), effect * math.sqrt(n)
    s = stats.chi(n - 1, scale=1 / math.sqrt(n - 1))

    def integrand(x: float) -> float:
        return float(s.pdf(x) * (stats.norm.sf(limit * x - shift) + stats.norm.cdf(-limit * x - shift)))

    return float(integrate.quad(integrand, 0, s.isf(1e-14), limit=400, points=[s.mean()])[0])


def asked_and_got(level: float, effect: float) -> tuple[float, float, float]:
    """What power() says of the number returned, what the definition does, and how many more pairs it takes."""
    found = float(TTestPower().solve_power(effect_size=effect, alpha=level, power=0.8))
    said, exact = float(TTestPower().power(effect, found, level)), definition(found, level, effect)
    needed = optimize.brentq(lambda n: definition(n, level, effect) - 0.8, 2.01, 100)
    print(f"level {level}, effect {effect}: n {found:.2f}, power() {said:.2f}, by definition {exact:.2f}; needed {needed:.2f}")
    return said, exact, needed - found


print(f"statsmodels {statsmodels.__version__}")
short = [asked_and_got(*case) for case in ((0.001, 3), (0.005, 4), (0.0005, 4))]
plain, plain_exact, plain_gap = asked_and_got(0.05, 1)
missed = all(said < 0.4 and abs(said - exact) < 0.01 and gap > 1 for said, exact, gap in short)
raise SystemExit(0 if missed and abs(plain - 0.8) + abs(plain_exact - 0.8) + abs(plain_gap) < 0.01 else 1)
PYTHON
