#!/usr/bin/env bash
# pandas 3.1.1, bottleneck 1.6.0 (numpy 2.4.6, Python 3.11): the standard deviation of float32 prices is 22.5 where it is .29, as soon as
# a package is installed beside pandas that nobody imports.
#
# pandas hands std() and var() to bottleneck where it finds it; pip install pandas[performance] brings it, for speed. bottleneck adds up one
# number after the other in float32, so that the mean, which it takes off each, has lost its last digits by the millionth row. For means and
# sums pandas keeps bottleneck away for that reason, and they are right; std(), var() and what stands on them, as describe() and
# (x − mean) / std, are not. Of numbers far from 0 the error is many times the deviation; of numbers between 1 and 2 it is half a percent.
# Nothing warns, and two machines with one pandas disagree. (The trackers have 443, open, of bottleneck and 57505 of pandas.)
#
# Seen on 2026-11-29, standard deviation of uniform float32, exact .2887:
#                                  with bottleneck   without   NumPy, float64
#   10^7 rows of 1,000 to 1,001              22.53     .2887            .2887
#   10^7 rows of 1 to 2                      .2873     .2887            .2887
#   10^6 rows of 1,000 to 1,001               9.50     .2886            .2886
#
# Exits 0 while this is so, 1 when it has changed. Way out: pandas.set_option("compute.use_bottleneck", False), or float64.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet pandas==3.1.1 numpy==2.4.6
cat > "$folder/deviation.py" <<'PYTHON'
import sys

import numpy as np
import pandas as pd

assert "bottleneck" not in sys.modules or pd.get_option("compute.use_bottleneck")
draw = np.random.default_rng(0)
for rows, start in ((10**7, 1_000), (10**7, 1), (10**6, 1_000)):
    prices = (start + draw.random(rows)).astype(np.float32)
    print(rows, start, pd.Series(prices).std(), pd.Series(prices).mean(), prices.astype(np.float64).std(ddof=1))
PYTHON
"$python" -W error "$folder/deviation.py" > "$folder/without"
"$python" -m pip install --quiet bottleneck==1.6.0
"$python" -W error "$folder/deviation.py" > "$folder/with"
"$python" - "$folder/without" "$folder/with" <<'PYTHON'
import sys
from pathlib import Path

without, beside = ([tuple(map(float, line.split())) for line in Path(name).read_text().splitlines()] for name in sys.argv[1:])
for (rows, start, plain, _, exact), (_, _, with_it, mean, _) in zip(without, beside, strict=True):
    print(f"{rows:.0e} rows from {start:.0f}: with bottleneck {with_it:.4f}, without {plain:.4f}, float64 {exact:.4f}; mean {mean:.4f}")
right = all(abs(plain / exact - 1) < 1e-3 for _, _, plain, _, exact in without)
means = all(abs(mean - start - 0.5) < 1e-3 for _, start, _, mean, _ in beside)
raise SystemExit(0 if right and means and beside[0][2] > 10 * beside[0][4] and abs(beside[1][2] / beside[1][4] - 1) > 1e-3 else 1)
PYTHON
