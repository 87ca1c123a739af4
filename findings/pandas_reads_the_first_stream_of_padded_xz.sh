#!/usr/bin/env bash
# pandas 3.1.1 (Python 3.11): read_csv() of an .xz file of two streams with padding between them gives the rows of the first stream only.
#
# The format allows zeros, a multiple of four bytes, behind each stream (xz file format, 2.2 "Stream Padding"), and xz unpacks them.
# pandas reads through Python's lzma.LZMAFile, which reads streams that follow each other directly, but takes padding for the end of the
# data. There is no error and no warning: a table is shorter than it is.
#
# Seen on 2026-11-28:
#   xz, padded 6 rows; pandas, streams back to back 6 rows; pandas, four zeros between the streams 3 rows
#
# Exits 0 while this is so, 1 when it has changed. Needs xz. Way out: unpack with xz first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pandas==3.1.1 numpy==2.4.6
cd "$folder"
printf 'label,user\n1,a\n0,b\n1,c\n' > first.csv
printf '0,d\n1,e\n0,f\n' > second.csv
xz --keep first.csv second.csv
cat first.csv.xz second.csv.xz > direct.csv.xz
{ cat first.csv.xz; head -c 4 /dev/zero; cat second.csv.xz; } > padded.csv.xz
rows=$(($(xz --decompress --stdout padded.csv.xz | wc -l) - 1))
"$folder/venv/bin/python" - "$rows" <<'PYTHON'
import sys

import pandas

by_xz = int(sys.argv[1])
direct, padded = (len(pandas.read_csv(f"{name}.csv.xz")) for name in ("direct", "padded"))
print(f"xz, padded: {by_xz} rows; pandas, back to back: {direct}; pandas, padded: {padded}")
raise SystemExit(0 if (by_xz, direct, padded) == (6, 6, 3) else 1)
PYTHON
