#!/usr/bin/env bash
# polars 2.1.0, pyarrow 25.0.1, duckdb 2.0.1 (Python 3.11): read_csv() and write_parquet() of Polars, with ids of 64 bits without a sign,
# make a Parquet file that Polars alone can read as numbers.
#
# read_csv() takes a column with a number of 2^63 or more for Int128, though UInt64 would hold it. write_parquet() stores that as 16 bytes a
# cell with a type of Arrow's that PyArrow does not have: PyArrow cannot open the file at all, whatever columns are wanted, nor can pandas;
# DuckDB gives raw bytes in place of numbers. write_parquet(use_pyarrow=True) fails.
#
# Seen on 2026-11-29: "read_csv: Int128; pyarrow: ArrowNotImplementedError: Integers with more than 64 bits not implemented; duckdb: BLOB".
#
# Exits 0 while that is so, 1 when it has changed. Way out: read_csv(…, schema_overrides={"id": pl.UInt64}), or pl.String.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet polars==2.1.0 pyarrow==25.0.1 duckdb==2.0.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet

folder = Path(sys.argv[1])
table, file, declared = folder / "ids.csv", folder / "ids.parquet", folder / "declared.parquet"
table.write_text("id,clicked\n" + "".join(f"{2**63 + i},{i % 2}\n" for i in range(1000)))
frame = pl.read_csv(table)
frame.write_parquet(file)
try:
    parquet.read_table(file, columns=["clicked"])
    refusal = "read"
except pa.ArrowException as error:
    refusal = f"{type(error).__name__}: {error}"
kind = str(duckdb.sql(f"SELECT * FROM '{file}'").types[0])
pl.read_csv(table, schema_overrides={"id": pl.UInt64}).write_parquet(declared)
well = len(parquet.read_table(declared)["id"].unique())
print(f"read_csv: {frame.schema['id']}; pyarrow: {refusal}; duckdb: {kind}; declared UInt64, by pyarrow: {well} ids")
same = frame.schema["id"] == pl.Int128 and "more than 64 bits" in refusal and kind == "BLOB" and well == 1000
raise SystemExit(0 if same else 1)
PYTHON
