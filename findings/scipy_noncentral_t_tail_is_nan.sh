#!/usr/bin/env bash
# scipy 1.17.1 (Python 3.11): the power of a t test by the textbook's sum is NaN, where it is .53, and no warning says so.
#
# The power of a two-sided test is nct.sf(t, df, shift) + nct.cdf(-t, df, shift). The second term is next to nothing, and in parts of that
# far tail scipy.stats.nct.cdf() and scipy.special.nctdtr() give NaN (its tracker has it as 25470, seen there with 37,000 degrees of
# freedom). With a level of Holm's or Bonferroni's first steps few degrees are enough: the sum is NaN just where power is middling, and a
# search for the smallest sample by `while power < .8` ends there. sf() of the same arguments is right.
#
# Seen on 2026-11-28: level 1e-4, df 8, shift 7: sf .531 (so by integration of the definition), cdf nan.
#
# Exits 0 while it is NaN, 1 when that has changed. Way out: take NaN on the shift's far side for 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'PYTHON'
import math
import warnings

from scipy import integrate, special, stats

warnings.simplefilter("error")
df, shift = 8, 7.0
limit = stats.t.isf(1e-4 / 2, df)


def definition(t: float) -> float:
    """P(T ≤ t): a normal variable's chance to stay below t·s − shift, over the distribution of s = √(χ²/df)."""
    density = stats.chi(df, scale=1 / math.sqrt(df)).pdf
    return integrate.quad(lambda s: special.ndtr(t * s - shift) * density(s), 0, 6, epsabs=0, limit=500)[0]


above, below, plain = stats.nct.sf(limit, df, shift), stats.nct.cdf(-limit, df, shift), special.nctdtr(df, shift, -limit)
print(f"limit {limit:.3f}: sf {above:.3f}, cdf of -limit {below}, special.nctdtr {plain}, by integration {definition(-limit):.0e}")
print(f"sf by integration {1 - definition(limit):.3f}")
raise SystemExit(not (math.isnan(below) and math.isnan(plain) and abs(above - (1 - definition(limit))) < 1e-6))
PYTHON
