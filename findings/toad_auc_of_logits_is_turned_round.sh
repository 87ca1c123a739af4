#!/usr/bin/env bash
# toad 0.1.7 (scikit-learn 1.9.1, numpy 2.4.6, pandas 3.1.1, Python 3.11): the AUC of a model by its logits is .75 in one fold and .25 in
# the next: it is 1 − AUC as soon as one row of the fold has a logit above 1.
#
# toad.metrics.AUC(score, target) is documented to take a "list of score or probability that the model predict". Where the largest score is
# above 1 it takes all of them for points of a credit score, of which more means less risk, and turns their sign. The logits of rare events
# are nearly all negative, and a single one above 1 decides. So the AUC of one model jumps from sample to sample, the mean over folds means
# nothing, and of two models the better one, whose logits reach further, comes out as the worst. Its ROC curve, return_curve=True, is turned
# round with it. Probabilities of the same model are right, and so is KS(), which has no direction. Nothing warns.
#
# Seen on 2026-11-30, 200 folds of 5,000 rows, 9 % events:
#                                 toad, mean   lowest   highest   scikit-learn, mean   folds with a score above 1
#   the model, logits                   .494     .210      .776                 .750                         .510
#   the model, probabilities            .750     .722      .790                 .750                         .000
#   a weaker model, logits              .671     .640      .710                 .671                         .000
#   a better model, logits              .209     .170      .798                 .797                         .990
#
# Exits 0 while this is so, 1 when it has changed. Way out: probabilities, or roc_auc_score() of scikit-learn.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet toad==0.1.7 scikit-learn==1.9.1 scipy==1.17.1 pandas==3.1.1 numpy==2.4.6
cd "$folder"
export OPENBLAS_NUM_THREADS=1
"$folder/venv/bin/python" -W error - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from toad.metrics import AUC, KS

FOLDS, ROWS = 200, 5_000
draw = np.random.default_rng(0)
found: dict[str, list[tuple[float, float, float]]] = {}
turned = True
for _ in range(FOLDS):
    first, second = draw.normal(size=(2, ROWS))
    logit = -2.9 + 1.05 * first + 0.7 * second  # what the events come from: the better model; the others know less of it
    events = (draw.random(ROWS) < expit(logit)).astype(int)
    known, less = -2.7 + 1.02 * first, -2.5 + 0.66 * second
    models = {"the model, logits": known, "the model, probabilities": expit(known), "weaker, logits": less, "better, logits": logit}
    for name, score in models.items():
        area, right = float(AUC(score, events)), float(roc_auc_score(events, score))
        found.setdefault(name, []).append((area, right, float(score.max())))
        turned &= bool(np.isclose(area, 1 - right if score.max() > 1 else right))
    turned &= KS(known, events) == KS(expit(known), events)
print(f"toad {version('toad')}: mean AUC, lowest, highest, mean by scikit-learn, share of the folds with a score above 1")
table = {}
for name, rows in found.items():
    area, right, largest = np.array(rows).T
    table[name] = area.mean(), area.min(), area.max(), right.mean(), (largest > 1).mean()
    print(f"{name:26}", *(f"{value:.3f}" for value in table[name]))
print(f"1 − AUC where the largest score is above 1, and only there: {turned}")
model, same, weaker, better = table.values()
jumps = model[1] < 0.3 and model[2] > 0.7 and 0.1 < model[4] < 0.9 and np.isclose(same[0], same[3])
raise SystemExit(0 if turned and jumps and better[0] < 0.3 < weaker[0] and better[3] > model[3] > weaker[3] else 1)
PYTHON
