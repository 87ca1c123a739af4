#!/usr/bin/env bash
# vendi-score 0.0.3 (numpy 2.4.6, scipy 1.17.1, Python 3.11): score_X(X, q=2) is the score of order 1, as it is for each other q; of two
# tables score_dual(X, q=2) calls the other one the more diverse.
#
# The Vendi score is the exponential of an entropy of a spectrum, of order q: q above 1 looks at the large eigenvalues, up to their largest
# alone for "inf". It is asked for where a few directions may carry most of a table, which order 1, the effective rank, shows little of.
# score_X() takes q and hands a 1 to the function that computes the score. So its curve over q is flat, which reads as a spectrum without a
# large eigenvalue: just what was to be found out. score_dual() of the same rows, the faster one where they are more than the columns, and
# score_K() of their similarities heed q; with q=1 all three agree. Code that takes score_X() or score_dual() by the shape of the table, as
# the package does for images and texts, measures two things. Nothing warns, and the README does not speak of q.
#
# Seen on 2026-11-30, 512 rows of 64 columns: half of them near one direction and half even over the 63 others, or even over ten:
#                              q=.5      1      2      8  "inf"
#   half in one   score_X       16.6   16.6   16.6   16.6   16.6
#                 score_dual    40.5   16.6    4.1    2.3    2.0
#   ten           score_X       11.4   11.4   11.4   11.4   11.4
#                 score_dual    17.4   11.4   10.4   10.2   10.0
#
# Exits 0 while this is so, 1 when it has changed. Way out: score_dual(X, q=q), or score_K(X @ X.T, q=q) of rows of length 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 vendi-score==0.0.3
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from vendi_score import vendi

ORDERS = (0.5, 1, 2, 8, "inf")
ROWS, COLUMNS = 512, 64
draw = np.random.default_rng(0)
where = {
    "half in one": np.where(np.arange(ROWS) % 2, 0, 1 + np.arange(ROWS) // 2 % (COLUMNS - 1)),
    "ten": np.arange(ROWS) % 10,
}


def by_definition(unit: np.ndarray, order: float | str) -> float:
    shares = np.linalg.eigvalsh(unit.T @ unit / len(unit))
    if order == 1:
        return float(np.exp(-(shares * np.log(shares)).sum()))
    return float(1 / shares.max() if order == "inf" else (shares**order).sum() ** (1 / (1 - order)))


print(f"vendi-score {version('vendi-score')}, q = {ORDERS}")
same, scores = True, {}
for name, direction in where.items():
    x = np.eye(COLUMNS)[direction] + draw.normal(size=(ROWS, COLUMNS)) * 0.02
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    exact = [by_definition(unit, order) for order in ORDERS]
    scores[name] = {f.__name__: [float(f(x, q=order)) for order in ORDERS] for f in (vendi.score_X, vendi.score_dual)}
    for function, values in scores[name].items():
        print(f"{name:12} {function:11}", *(f"{value:6.1f}" for value in values))
    similar = [float(vendi.score_K(unit @ unit.T, q=order)) for order in ORDERS]
    same &= np.allclose(scores[name]["score_X"], exact[1]) and np.allclose(scores[name]["score_dual"], exact)
    same &= np.allclose(similar, exact, rtol=0.01)
of_two = {function: scores["half in one"][function][2] > scores["ten"][function][2] for function in ("score_X", "score_dual")}
print(f"more diverse at q=2, half in one: {of_two}")
raise SystemExit(0 if same and of_two == {"score_X": True, "score_dual": False} else 1)
PYTHON
