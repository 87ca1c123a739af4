#!/usr/bin/env bash
# scipy 1.17.1 (numpy 2.4.6, Python 3.11): sum(axis=0) of a float32 CSR matrix is 1 % too large for a million rows of .1; dtype=float64 does
# not help.
#
# A CSR matrix sums over its rows as a product with a row of ones, in its own type and one row after the other. dtype is applied to the
# result only. From 2^24 clicks on, an item's count stands still, since float32 has no 16,777,217, and weights drift much earlier: the
# popularity of items, which weighs negatives and baselines, is wrong for the frequent ones. The same matrix as CSC, and the sum over all
# cells, add in pairs and are right; the mean over the rows divides first, and is off to the other side. Nothing warns.
#
# Seen on 2026-11-29, the sum of one column:
#                        10^6 rows of .1   2 · 10^7 rows of 1
#   CSR                          100,958           16,777,216
#   CSR, dtype=float64           100,958           16,777,216
#   rows · CSR mean               99,060           20,000,000
#   CSC                          100,000           20,000,000
#   CSR, no axis                 100,000           20,000,000
#   CSR of float64               100,000           20,000,000
#
# Exits 0 while this is so, 1 when it has changed. Way out: .tocsc() or .astype(numpy.float64) before the sum.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/python" -W error - <<'PYTHON'
import numpy as np
import scipy
from scipy.sparse import csr_array


def sums(rows: int, weight: float) -> dict[str, float]:
    """Of one item that each of the users has once, over the users, by way."""
    x = csr_array((np.full(rows, weight, np.float32), np.zeros(rows, np.int32), np.arange(rows + 1, dtype=np.int32)), shape=(rows, 2))
    return {
        "CSR": float(x.sum(axis=0)[0]),
        "CSR, dtype=float64": float(x.sum(axis=0, dtype=np.float64)[0]),
        "rows · CSR mean": rows * float(x.mean(axis=0)[0]),
        "CSC": float(x.tocsc().sum(axis=0)[0]),
        "CSR, no axis": float(x.sum()),
        "CSR of float64": float(x.astype(np.float64).sum(axis=0)[0]),
    }


print(f"scipy {scipy.__version__}")
million, many = sums(10**6, 0.1), sums(2 * 10**7, 1.0)
for way in million:
    print(f"{way:20}{million[way]:12,.0f}{many[way]:14,.0f}")
wrong, right = list(million)[:2], list(million)[3:]
same = all(million[way] > 100_900 and many[way] == 2**24 for way in wrong)
same &= all(abs(million[way] / 100_000 - 1) < 1e-6 and many[way] == 2 * 10**7 for way in right)
raise SystemExit(0 if same and abs(million["rows · CSR mean"] / 100_000 - 1) > 0.005 else 1)
PYTHON
