#!/usr/bin/env bash
# polars 2.1.0 (numpy 2.4.6, Python 3.11): the mean of the columns 80, 80 and 80 is −5.33, and that of eight columns of 100 is 36 with one
# thread and 68 with two.
#
# mean_horizontal() gives Float64, as mean() does. But it adds the columns up in their own types and divides after that: Int8 wraps above
# 127, UInt8 above 255, and Int32, in which logs hold Unix seconds, at the sum of any two times of today, whose mean lies in 1958. A column
# of floats among them turns into floats what it is added to. The columns are added by halves, and these by halves again, the more often
# the more threads there are, so that the order of the columns and the number of threads decide what has wrapped by then. mean() down a
# column, list.mean() and rolling_mean() of the same values are right, and the documentation of sum() has small integers cast against
# overflow; that of mean_horizontal() says "the mean of all values". Series.shrink_dtype() makes Int8 of small counts. Nothing warns, and
# rows with small values are right. (The tracker has 21515, open, of sum_horizontal(), whose result at least has the small type.)
#
# Seen on 2026-11-30:
#                                                       mean_horizontal()    numpy, list.mean()
#   Int8 80, 80, 80                                                 -5.33                 80.00
#   UInt8 200, 100, Float64 .5                                     100.17                100.17
#   Float64 .5, UInt8 200, 100                                      14.83                100.17
#   seven UInt8 100, Float64 100, one thread                        36.00                100.00
#   the same, two threads                                           68.00                100.00
#   Int32 1790000000, 1790003600, first and last click         -357481848            1790001800
#   100,000 rows of three columns, 0 to 100 at random, after shrink_dtype():
#     least, greatest and mean value                 -42.67, 42.33, -6.77   0.67, 99.33, 50.00; .67 of the rows are wrong
#
# Exits 0 while this is so, 1 when it has changed. Way out: pl.concat_list(…).list.mean(), or a cast to Float64 before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet polars==2.1.0 numpy==2.4.6
cd "$folder"
cat > eight.py <<'PYTHON'
import polars as pl

frame = pl.DataFrame([pl.Series(str(place), [100], dtype=pl.UInt8 if place < 7 else pl.Float64) for place in range(8)])
print(frame.mean_horizontal().item())
PYTHON
one=$(POLARS_MAX_THREADS=1 "$folder/venv/bin/python" -W error eight.py)
two=$(POLARS_MAX_THREADS=2 "$folder/venv/bin/python" -W error eight.py)
POLARS_MAX_THREADS=1 "$folder/venv/bin/python" -W error - "$one" "$two" <<'PYTHON'
import sys

import numpy as np
import polars as pl

ROWS = 100_000


def means(frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Of each row, by mean_horizontal() and by numpy; that of the list must be numpy's, and both of Polars' must be Float64."""
    found = frame.select(pl.mean_horizontal(frame.columns).alias("across"), pl.concat_list(frame.columns).list.mean().alias("list"))
    right = np.mean([frame[name].to_numpy().astype(np.float64) for name in frame.columns], axis=0)
    if set(found.dtypes) != {pl.Float64} or not np.allclose(found["list"].to_numpy(), right):
        raise SystemExit("the mean of the list is not numpy's, or the types are others")
    return found["across"].to_numpy(), right


def one_row(*columns: tuple[pl.DataType, float]) -> tuple[float, float]:
    across, right = means(pl.DataFrame([pl.Series(str(place), [value], dtype=dtype) for place, (dtype, value) in enumerate(columns)]))
    print(f"{', '.join(f'{dtype} {value}' for dtype, value in columns)}: {across[0]:.2f}, by numpy {right[0]:.2f}")
    return float(across[0]), float(right[0])


print(f"polars {pl.__version__}: eight columns of 100, one thread {sys.argv[1]}, two {sys.argv[2]}")
same = one_row((pl.Int8, 80), (pl.Int8, 80), (pl.Int8, 80))
last = one_row((pl.UInt8, 200), (pl.UInt8, 100), (pl.Float64, 0.5))
first = one_row((pl.Float64, 0.5), (pl.UInt8, 200), (pl.UInt8, 100))
times = one_row((pl.Int32, 1_790_000_000), (pl.Int32, 1_790_003_600))
draw = np.random.default_rng(0)
scores = pl.DataFrame({name: draw.integers(0, 101, ROWS) for name in "abc"})
across, right = means(pl.DataFrame([column.shrink_dtype() for column in scores]))
wide, _ = means(scores)
wrong = float(np.mean(np.abs(across - right) > 1e-9))
for name, values in (("across", across), ("by numpy", right)):
    print(f"{ROWS:,} rows {name}: {values.min():.2f} to {values.max():.2f}, mean {values.mean():.2f}")
print(f"{wrong:.2f} of the rows are wrong")
wraps = abs(same[0] + 16 / 3) < 1e-9 and times[0] < 0 < times[1] and across.min() < 0 and wrong > 0.3
order = abs(last[0] - last[1]) < 1e-9 and first[0] < last[0] / 2 and first[1] == last[1]
threads = (float(sys.argv[1]), float(sys.argv[2])) == (36.0, 68.0)
raise SystemExit(0 if wraps and order and threads and np.allclose(wide, right) else 1)
PYTHON
