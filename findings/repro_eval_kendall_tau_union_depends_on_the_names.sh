#!/usr/bin/env bash
# repro_eval 0.5.0 (scipy 1.17.1, numpy 2.4.6, Python 3.11): Kendall's tau union of a ranking and its reverse is −1, 0 or above 0, by the
# names of the items alone; of a list whose first item went to the end, the rest as it was, it is about 0 where tau is .96.
#
# KTU(orig_run, rep_run) is the package's first figure of how far a reproduced ranking has the order of the original. It gives every item
# of the two lists a number and takes tau of the two lists of numbers, rank by rank. The numbers are places in the sorted list of the names,
# not in the original ranking. So the figure compares the names at rank 1, at rank 2 and so on, which says something about the order only
# where the original list is in the order of its names. With names that have nothing to do with the ranks, as ids have, every list that is
# not the original itself has about 0, a reverse one as well as one with a single item more at its top. With numbers in the order of the
# original and then of what is new the same function is tau, where both have the same items. Nothing warns: with ids as they are a nearly
# perfect reproduction and a reverse one look alike.
#
# Seen on 2026-12-01, 100 items; mean (lowest, highest) of 200 random namings of the same two lists; names in the order of the ranks; tau:
#   the original itself                    1.000 (1.000, 1.000)    1.000    1.000
#   the reverse                            -.007 (-.277, .267)    -1.000   -1.000
#   the first item at the end              -.008 (-.209, .182)      .960     .960
#   neighbours exchanged, 50 pairs         -.010 (-.330, .291)      .980     .980
#   a new item on top, the last one gone   -.007 (-.206, .196)      .960
#
# Exits 0 while this is so, 1 when it has changed. Way out: name every item by its rank in the original run first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet ir-measures==0.4.3 pandas==3.1.1 scipy==1.17.1 numpy==2.4.6 tqdm==4.67.1
"$folder/venv/bin/python" -m pip install --quiet --no-deps repro_eval==0.5.0
cd "$folder"
export OPENBLAS_NUM_THREADS=1
"$folder/venv/bin/python" -W error -W ignore::DeprecationWarning - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from repro_eval.measure.document_order import KTU
from scipy.stats import kendalltau

ITEMS, NAMINGS = 100, 200
first = list(range(ITEMS))
lists = {
    "the original itself": first,
    "the reverse": first[::-1],
    "the first item at the end": [*first[1:], 0],
    "neighbours exchanged, 50 pairs": [item ^ 1 for item in first],
    "a new item on top, the last one gone": [ITEMS, *first[:-1]],
}


def run(items: list[int], names: np.ndarray) -> dict[str, dict[str, float]]:
    """One topic: names of the items with scores that fall by one from rank to rank."""
    return {"topic": {f"item{names[item]:04d}": float(ITEMS - rank) for rank, item in enumerate(items)}}


def union(items: list[int], names: np.ndarray) -> float:
    return float(KTU(run(first, names), run(items, names)))


draw = np.random.default_rng(0)
namings = [draw.permutation(ITEMS + 1) for _ in range(NAMINGS)]
print(f"repro_eval {version('repro_eval')}: KTU by random names, mean (lowest, highest); by names in order; tau of the ranks")
found = {}
for name, items in lists.items():
    by_names = np.array([union(items, names) for names in namings])
    tau = float(kendalltau(first, [items.index(item) for item in first])[0]) if set(items) == set(first) else np.nan
    found[name] = by_names.mean(), by_names.min(), by_names.max(), union(items, np.arange(ITEMS + 1)), tau
    print(f"{name:38} {found[name][0]:.3f} ({found[name][1]:.3f}, {found[name][2]:.3f}) {found[name][3]:.3f} {tau:.3f}")
same, *others = found.values()
lost = all(abs(row[0]) < 0.02 and row[1] < -0.05 and row[2] > 0.05 for row in others)
in_order = all(abs(row[3] - row[4]) < 1e-9 for row in [same, *others[:-1]])
taus = others[0][4] == -1 and min(others[1][4], others[2][4]) > 0.95
raise SystemExit(0 if lost and in_order and taus and same[:3] == (1, 1, 1) else 1)
PYTHON
