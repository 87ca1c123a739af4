#!/usr/bin/env bash
# numpy 2.4.6 (Python 3.11): np.unique() of integers takes longer than np.unique(…, return_inverse=True), which does all of it and more.
#
# Since 2.3 the plain call puts integers into a hash table and sorts what it finds; with return_inverse it still sorts, as ever. Sorting
# integers is vectorised and the hash table is not, so that the plain call is the slow one as soon as the values are many: several times
# the call that also says where each value stands, and some fifty times np.sort() of the same array. sorted=False changes nothing.
#
# Seen on 2026-11-28, 2 million draws from 1 million values, CPU seconds:
#   np.sort .041, np.unique 1.89, with return_inverse .52
#
# Exits 0 while the plain call takes at least twice the time of the other, 1 when that has changed. Way out: np.sort(), then keep what
# differs from the entry before it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import time
from collections.abc import Callable

import numpy as np

values = np.random.default_rng(0).integers(0, 10**6, 2_000_000)


def seconds(work: Callable[[], object]) -> float:
    """Of CPU time, the least of three."""
    found = []
    for _ in range(3):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


alone = seconds(lambda: np.unique(values))
inverse = seconds(lambda: np.unique(values, return_inverse=True))
print(f"numpy {np.__version__}\nnp.sort {seconds(lambda: np.sort(values)):.3f}, np.unique {alone:.2f}, with return_inverse {inverse:.2f}")
same = np.array_equal(np.unique(values), np.unique(values, return_inverse=True)[0])
raise SystemExit(0 if same and alone > 2 * inverse else 1)
PYTHON
