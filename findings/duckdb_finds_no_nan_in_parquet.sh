#!/usr/bin/env bash
# duckdb 2.0.1 (pyarrow 25.0.1, Python 3.11): in a Parquet file that PyArrow or Polars wrote, isnan() is false for NaN, and a guard by it
# guards nothing.
#
# Parquet's statistics leave NaN out of the least and the greatest value, and DuckDB takes a column of floating-point numbers in a file for
# one without NaN: an isnan() in WHERE, CASE or count_if() is settled before a row is read. So the diverged runs of a results file are
# none, and the mean "where not isnan(…)" is NaN. max() alone is read off PyArrow's statistics and is a number; beside an avg(), for which
# the rows are read, the same max() is NaN. The same table in memory is answered rightly throughout. (read_parquet() has can_have_nan,
# false unless given; its tracker has 25521 and others.)
#
# Seen on 2026-11-29, four runs, one of them NaN:
#                                               in memory   PyArrow's file   Polars's file
#   count(*) … where isnan(logloss)             1           0                0
#   avg(logloss) … where not isnan(logloss)     0.45        nan              nan
#   max(logloss)                                nan         0.46             nan
#   max(logloss), avg(logloss)                  nan, nan    nan, nan         nan, nan
#
# Exits 0 while this is so, 1 when it has changed. Way out: read_parquet('…', can_have_nan = true); or write NULL where there is no number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet duckdb==2.0.1 pyarrow==25.0.1 polars==2.1.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import math

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet

runs = pa.table({"run": ["a", "b", "c", "d"], "logloss": [0.45, math.nan, 0.46, 0.44]})
parquet.write_table(runs, "pyarrow.parquet")
pl.from_arrow(runs).write_parquet("polars.parquet")
queries = (
    "select count(*) from {} where isnan(logloss)",
    "select round(avg(logloss), 4) from {} where not isnan(logloss)",
    "select max(logloss) from {}",
    "select max(logloss), avg(logloss) from {}",
)


def answers(table: str) -> list[str]:
    return [str(duckdb.sql(query.format(table)).fetchall()[0]) for query in queries]


memory, by_pyarrow, by_polars = (answers(table) for table in ("runs", "'pyarrow.parquet'", "'polars.parquet'"))
told = answers("read_parquet('pyarrow.parquet', can_have_nan = true)")
print(f"duckdb {duckdb.__version__}")
for name, found in (("in memory", memory), ("pyarrow's", by_pyarrow), ("polars's", by_polars), ("told of NaN", told)):
    print(f"{name:12}{', '.join(found)}")
right = ["(1,)", "(0.45,)", "(nan,)", "(nan, nan)"]
wrong = ["(0,)", "(nan,)"]
raise SystemExit(0 if memory == told == right and by_pyarrow == [*wrong, "(0.46,)", right[3]] and by_polars == wrong + right[2:] else 1)
PYTHON
