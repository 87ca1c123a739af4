#!/usr/bin/env bash
# statsmodels 0.15.0 (Python 3.11): Holm's correction calls a comparison whose p-value is NaN significant, if all others are.
#
# multipletests(method="holm") looks for the first p-value that is above its level and keeps the hypotheses from there on. NaN is above
# nothing: where no number is, everything is rejected, NaN with the rest; its corrected p-value is NaN. holm-sidak does the same, bonferroni
# does not. With a number among them that is not significant NaN is kept, since it is sorted behind it: the verdict on the comparison that
# could not be made hangs on the others. In other methods one NaN takes the results of the rest away: hommel rejects nothing at all, and
# fdr_bh rejects the right ones, but all its corrected p-values are NaN. There is no warning. (Its tracker has 2899 about those NaNs.)
#
# Seen on 2026-11-29, level .05, rejected, and the corrected p-values:
#   p-values           .001   .002  NaN                          .001    .4  NaN
#   holm               True   True True     .003 .004 nan        True False False
#   holm-sidak         True   True True     .003 .004 nan        True False False
#   bonferroni         True   True False    .003 .006 nan        True False False
#   fdr_bh             True   True False     nan  nan nan        True False False
#   hommel            False  False False     nan  nan nan       False False False
#
# Exits 0 while this is so, 1 when it has changed. Way out: take the NaNs out first, and decide whether they count as tests.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0
cd "$folder"
"$folder/venv/bin/python" -W error::RuntimeWarning - <<'PYTHON'
import math

import statsmodels
from statsmodels.stats.multitest import multipletests

print(f"statsmodels {statsmodels.__version__}")
rejected: dict[str, tuple[list[bool], list[bool]]] = {}
corrected: dict[str, list[float]] = {}
for method in ("holm", "holm-sidak", "bonferroni", "fdr_bh", "hommel"):
    both = [multipletests([0.001, other, math.nan], alpha=0.05, method=method) for other in (0.002, 0.4)]
    rejected[method] = both[0][0].tolist(), both[1][0].tolist()
    corrected[method] = both[0][1].round(3).tolist()
    print(f"{method:12} {rejected[method][0]} {corrected[method]}, beside .4 {rejected[method][1]}")
mixed = [True, False, False]
holm = all(rejected[m] == ([True] * 3, mixed) and math.isnan(corrected[m][2]) for m in ("holm", "holm-sidak"))
others = all(rejected[m] == ([True, True, False], mixed) for m in ("bonferroni", "fdr_bh"))
hommel = rejected["hommel"] == ([False] * 3, [False] * 3)
raise SystemExit(0 if holm and others and hommel and all(map(math.isnan, corrected["fdr_bh"])) else 1)
PYTHON
