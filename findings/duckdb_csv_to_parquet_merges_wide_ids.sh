#!/usr/bin/env bash
# duckdb 2.0.1 (Python 3.11): ids of 64 bits without a sign, as hashes give them, are whole in DuckDB and merge on their way into Parquet.
#
# read_csv takes a column with a number of 2^63 or more for HUGEINT, and queries see each id. Parquet has no integer of 128 bits: COPY … TO
# writes the column as DOUBLE, without a warning or an error, and numbers that differ in their last eleven bits are one number in the file.
# sum() of whole numbers is HUGEINT too, so that sums beyond 2^53 change in the same way. A table that is taken from CSV to Parquet for a
# recommender loses most of its vocabulary so.
#
# Seen on 2026-11-29 with 1,000 ids from 2^63 on: "in DuckDB 1000 HUGEINT, in the Parquet file 1 double"; a sum of 2^53 + 1 comes back as 2^53.
#
# Exits 0 while that is so, 1 when it has changed. Way out: types={'id': 'UBIGINT'} (or 'VARCHAR') when the CSV file is read; cast sums to
# BIGINT before they are written.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet duckdb==2.0.1 pyarrow==25.0.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as parquet

folder = Path(sys.argv[1])
table, file = folder / "ids.csv", folder / "ids.parquet"
table.write_text("id\n" + "".join(f"{2**63 + i}\n" for i in range(1000)))


def written(query: str) -> pa.Table:
    duckdb.sql(f"COPY ({query}) TO '{file}' (FORMAT parquet)")
    return parquet.read_table(file)


ids = f"SELECT id FROM read_csv('{table}')"
inside, kind = duckdb.sql(f"SELECT count(DISTINCT id), any_value(typeof(id)) FROM ({ids})").fetchall()[0]
column = written(ids)["id"]
outside = len(column.unique())
declared = written(f"SELECT id FROM read_csv('{table}', types={{'id': 'UBIGINT'}})")["id"]
total = written(f"SELECT sum(x) AS total FROM (VALUES ({2**53}), (1)) AS t(x)")["total"][0].as_py()
print(f"duckdb {duckdb.__version__}\nin DuckDB {inside} {kind}, in the Parquet file {outside} {column.type}")
print(f"declared UBIGINT: {len(declared.unique())} {declared.type}; the sum of 2^53 and 1: {total:.0f}, 2^53 is {2**53}")
same = (inside, kind, outside, str(column.type), len(declared.unique()), total) == (1000, "HUGEINT", 1, "double", 1000, 2.0**53)
raise SystemExit(0 if same else 1)
PYTHON
