#!/usr/bin/env bash
# torch 2.13.0 (CPU build, Python 3.11): matrix_rank() of a float32 table of 8.4 million rows is 0, and lstsq() of a million rows leaves a
# feature out.
#
# Singular values at or below max(rows, columns)·eps of the largest count as zero. The rule is documented, and harmless in float64; NumPy's
# matrix_rank() has it too. eps of float32 is 2^-23: of 2^20 rows a singular value is dropped below an eighth of the largest one, and from
# 2^23 rows on all are, the largest as well. A table of many users whose columns are orthogonal has "rank 0", as if it had collapsed.
# pinv() and lstsq() with its default driver cut in the same way: a target that is an exact sum of the columns is fitted without the
# smaller one, and for 2^23 rows pinv() is a matrix of zeros. Nothing warns. numpy.linalg.lstsq() is right.
#
# Seen on 2026-11-29, two orthogonal columns with singular values 10 : 1, target 1·first + 2·second:
#   rows   rank, torch   NumPy   float64   lstsq         NumPy         largest entry of pinv
#   2^17             2       2         2   1.00, 2.00    1.00, 2.00    1.5e-4
#   2^20             1       1         2   1.00, 0.00    1.00, 2.00    1.9e-6
#   2^23             0       0         -   -             -             0
#
# Exits 0 while this is so, 1 when it has changed. Not tried on a GPU. Way out: rtol (rcond) of one's own, or eigenvalues of the table's
# product with itself in float64.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" -W error - <<'PYTHON'
import numpy as np
import torch

TRUE = [1.0, 2.0]


def table(rows: int) -> torch.Tensor:
    """Two columns, orthogonal to each other, with singular values 10 : 1."""
    return torch.eye(2).mul(torch.tensor([1.0, 0.1])).repeat(rows // 2, 1)


ranks, fits, largest = {}, {}, {}
for power in (17, 20, 23):
    x = table(2**power)
    ranks[power] = [int(torch.linalg.matrix_rank(x)), int(np.linalg.matrix_rank(x.numpy()))]
    largest[power] = float(torch.linalg.pinv(x).abs().max())
    print(f"2^{power} rows, rank: torch {ranks[power][0]}, NumPy {ranks[power][1]}; largest entry of pinv {largest[power]:.2g}", flush=True)
    if power < 23:
        target = x @ torch.tensor(TRUE)
        ranks[power].append(int(torch.linalg.matrix_rank(x.double())))
        fit = torch.linalg.lstsq(x, target[:, None]).solution.flatten().numpy()
        fits[power] = [np.round(a, 2).tolist() for a in (fit, np.linalg.lstsq(x.numpy(), target.numpy())[0])]
        print(f"  rank in float64 {ranks[power][2]}; lstsq: torch {fits[power][0]}, NumPy {fits[power][1]}", flush=True)
same = ranks == {17: [2, 2, 2], 20: [1, 1, 2], 23: [0, 0]} and largest[20] > 0 and largest[23] == 0
lost = fits[17] == [TRUE, TRUE] and abs(fits[20][0][0] - 1) < 0.05 and fits[20][0][1] == 0 and fits[20][1] == TRUE
raise SystemExit(0 if same and lost else 1)
PYTHON
