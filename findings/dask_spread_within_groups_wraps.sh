#!/usr/bin/env bash
# dask 2026.8.0 (pandas 3.1.1, Python 3.11): groupby().std() of the seconds of clicks within one hour is a year and a half.
#
# Within groups dask takes the sum of the squares less the square of the sum, in the column's own type, and makes 0 of what comes out below.
# An int64 does not hold the square of the sum of two Unix times in seconds: it wraps, and the spread of a user's clicks is any number or 0.
# An int32 wraps from 46,341 on, as prices above 463.40 in cents are: all spreads below are 0, as if each user paid one price, and
# groupby().corr() gives a column a correlation of −1 with itself. The same columns as floats and std() of a whole column are right but for
# rounding. The documentation is that of pandas, whose numbers are right, with the note that there may be inconsistencies. std() warns of
# nothing. (Its tracker has 6306, about a spread of 1e-10 that should be 0.)
#
# Seen on 2026-11-29, 10,000 rows of three users, two partitions:
#                                        dask, by user                   pandas, by user      dask, whole column
#   std of seconds, int64    46,952,470  35,646,790  35,646,789    1,037   1,053   1,048           1,046
#   std of cents, int32               0           0           0   20,377  20,153  20,050          20,193
#   corr of cents with cents         −1          −1          −1        1       1       1
#
# Exits 0 while this is so, 1 when it has changed. Way out: take a number near the data's off the column and make it float64 before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet 'dask[dataframe]==2026.8.0' pandas==3.1.1 pyarrow==25.0.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import warnings

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd

ROWS = 10_000
dask.config.set(scheduler="synchronous")
draw = np.random.default_rng(0)
table = pd.DataFrame({"user": np.arange(ROWS) % 3, "seconds": 1_764_000_000 + draw.integers(0, 3_600, ROWS)})
table["cents"] = draw.integers(50_000, 120_000, ROWS).astype(np.int32)
parts = dd.from_pandas(table, npartitions=2)
wrong, right = {}, {}
for column in ("seconds", "cents"):
    with warnings.catch_warnings(action="error", category=RuntimeWarning):
        wrong[column] = parts.groupby("user")[column].std().compute().tolist()
    right[column] = table.groupby("user")[column].std().tolist()
    whole = float(parts[column].std().compute())
    right[column].append(whole / float(table[column].std()))
    print(f"{column}: dask {wrong[column]}, pandas {right[column][:3]}, dask's whole column {whole:.1f}")
floats = parts.astype({"cents": float}).groupby("user")["cents"].std().compute().tolist()
itself = [groups[["seconds", "cents"]].corr() for groups in (parts.groupby("user"), table.groupby("user"))]
of_dask, of_pandas = (found["cents"].xs("cents", level=1).tolist() for found in (itself[0].compute(), itself[1]))
print(f"dask {dask.__version__}, pandas {pd.__version__}\ncents as floats {floats}\ncents with cents: dask {of_dask}, pandas {of_pandas}")
wraps = min(wrong["seconds"]) > 1e7 and max(right["seconds"]) < 3_600 and wrong["cents"] == [0.0] * 3
same = np.allclose(floats, right["cents"][:3]) and all(abs(right[column][3] - 1) < 1e-6 for column in right)
raise SystemExit(0 if wraps and same and of_dask == [-1.0] * 3 and np.allclose(of_pandas, 1) else 1)
PYTHON
