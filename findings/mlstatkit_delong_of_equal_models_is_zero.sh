#!/usr/bin/env bash
# MLstatkit 0.1.91 (scikit-learn 1.9.1, numpy 2.4.6, Python 3.11): DeLong's test of a model against itself says p = 0.0.
#
# Where two models order all rows alike, each bootstrap sample and each formula gives a difference of 0, and the variance of the difference
# is 0. Delong_test() then leaves DeLong's formula for a bootstrap and takes twice the smaller of two shares for its p-value: those of
# samples with a difference of at most 0, all of them, and above 0, none. The least likely of all results stands for the surest equality,
# beside z = 0 and two AUCs that agree in all digits. A model and its calibrated scores (a temperature, Platt's or any rising function)
# are such a pair, and so are two settings of which one had no effect; a table that marks p < .05, and Holm's correction behind it, put them
# first. Permutation_test() of the same package gives 1.0, and two rows that change places are enough for a plain p-value. The
# documentation has the bootstrap as a way out where the variance is 0, with a two-sided p-value "aligned with R pROC". Nothing warns.
#
# Seen on 2026-11-30, 1,280 rows, 20 % clicks, AUC .7727 throughout:
#   the scores against          z   p, Delong_test   p, Permutation_test
#   themselves                  0              0.0                   1.0
#   their sigmoid               0              0.0                   1.0
#   three times less two        0              0.0                   1.0
#   two rows exchanged       −.71             .480                   .57
#
# Exits 0 while this is so, 1 when it has changed. Way out: look at z first; where it is 0 and info["method"] "bootstrap", p is 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet MLstatkit==0.1.91 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
import contextlib
import io
from importlib.metadata import version

import numpy as np
from MLstatkit import Delong_test, Permutation_test

draw = np.random.default_rng(0)
clicks = np.repeat([1, 0], [256, 1_024])  # powers of two: DeLong's sums are then exact, and the variance is 0 on every machine
scores = draw.normal(size=1_280) + clicks
order = np.argsort(scores)
place = next(i for i in range(640, 1_280) if clicks[order[i]] != clicks[order[i + 1]])  # neighbours of different classes
exchanged = scores.copy()
exchanged[[order[place], order[place + 1]]] = scores[[order[place + 1], order[place]]]
same = {"themselves": scores, "their sigmoid": 1 / (1 + np.exp(-scores)), "three times less two": 3 * scores - 2}
others = {**same, "two rows exchanged": exchanged}


def tests(other: np.ndarray) -> tuple[float, float, float, bool]:
    z, p, _, _, first, second, info = Delong_test(clicks, scores, other, n_boot=500, random_state=0)
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        permuted = Permutation_test(clicks, scores, other, metric_str="roc_auc", n_bootstraps=100)[2]
    print(f"  z {z:.3f}, p {p:.3f}, Permutation_test {permuted:.2f}, AUC {first:.6f} {second:.6f}, {info['method']}")
    return abs(z), p, permuted, first == second


print(f"MLstatkit {version('MLstatkit')}")
found = {}
for name, other in others.items():
    print(f"the scores against {name}")
    found[name] = tests(other)
z, p, _, equal = found["two rows exchanged"]
as_seen = all(found[name] == (0.0, 0.0, 1.0, True) for name in same)
raise SystemExit(0 if as_seen and not equal and 0.05 < p < 1 and z > 0 else 1)
PYTHON
