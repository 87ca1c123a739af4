#!/usr/bin/env bash
# river 0.26.1 (numpy 2.4.6, Python 3.11): ROCAUC() of a calibrated model of rare clicks is .50, where its AUC is .76; a weaker one wins.
#
# The metric keeps counts at thresholds that are spread evenly over [0, 1], ten of them unless told. Of clicks of 2 % a calibrated model
# predicts less than .1 for each row: no threshold but 0 lies among its scores, and the curve is a straight line. The documentation says
# that the error "is not significant as long as the predicted probabilities are well calibrated", and that the metric can "be used to
# reliably compare models". Here calibration is what hides the model: one that knows a hundredth of the rows, and scores these above .1, is
# put first. Nothing warns; an AUC of .5 looks like a model that has not learned.
#
# Seen on 2026-11-29, 20,000 rows, 1.75 % clicks; one model knows the age, the other which rows are of bots; mean predictions of both 1.7 %:
#         ROCAUC()   n_thresholds=100   RollingROCAUC of all rows, exact
#   age      .5000              .7514                              .7648
#   bot      .5620              .5620                              .5606
#
# Exits 0 while this is so, 1 when it has changed. Way out: RollingROCAUC, or n_thresholds of a thousand and more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet river==0.26.1 numpy==2.4.6
"$folder/venv/bin/python" -W error - <<'PYTHON'
import numpy as np
import river
from river.metrics import ROCAUC, RollingROCAUC

ROWS = 20_000
draw = np.random.default_rng(0)
age, bot = draw.random(ROWS), draw.random(ROWS) < 0.01
by_age, by_bot = 0.06 * age**3, np.where(bot, 0.2, 0.0)
clicks = draw.random(ROWS) < by_age + by_bot
models = {"age": by_age + 0.002, "bot": by_bot + 0.015}


def auc(metric: ROCAUC | RollingROCAUC, scores: np.ndarray) -> float:
    for click, score in zip(clicks, scores, strict=True):
        metric.update(bool(click), float(score))
    return metric.get()


print(f"river {river.__version__}, {clicks.mean():.2%} clicks")
aucs = {}
for name, scores in models.items():
    aucs[name] = [auc(metric, scores) for metric in (ROCAUC(), ROCAUC(n_thresholds=100), RollingROCAUC(window_size=ROWS))]
    shown = ", ".join(f"{value:.4f}" for value in aucs[name])
    print(f"{name}: mean prediction {scores.mean():.4f}, largest {scores.max():.3f}; 10 thresholds, 100, exact: {shown}", flush=True)
(age_10, age_100, age_exact), (bot_10, _, bot_exact) = aucs.values()
calibrated = all(abs(scores.mean() - clicks.mean()) < 0.002 for scores in models.values())
same = calibrated and abs(age_10 - 0.5) < 1e-4 and bot_10 > age_10 and age_exact > bot_exact + 0.1
raise SystemExit(0 if same and abs(age_100 - age_exact) < 0.05 else 1)
PYTHON
