#!/usr/bin/env bash
# cornac 3.0.1 (scikit-learn 1.9.1, Python 3.11): the AUC of a model that scores all items alike is 0, not .5, and ties cost every model.
#
# cornac.metrics.AUC counts the pairs of a positive and a negative item in which the positive one is strictly higher. A tie counts as an
# error, where the area under the ROC curve has one half. A model by popularity, whose scores are counts and tie wherever items are rare,
# is rated too low beside a model with scores of many digits. A constant one looks worse than chance, and turned round it is no better.
# The paper that the class refers to writes the sum with a strict sign, for scores that do not tie. Nothing warns.
#
# Seen on 2026-11-29, 150 users, 400 items, 30 % of the clicks for the test:
#                 cornac's AUC   scikit-learn's, of the same scores
#   popularity          .7129   .7781
#   constant            .0000   .5000
#
# Exits 0 while this is so, 1 when it has changed. Way out: a RankingMetric of one's own with roc_auc_score(), as below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet cornac==3.0.1 scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import cornac
import numpy as np
from cornac.eval_methods import RatioSplit
from cornac.metrics import AUC
from cornac.models import GlobalAvg, MostPop
from sklearn.metrics import roc_auc_score

USERS, ITEMS = 150, 400


class AreaUnderCurve(AUC):
    """The same over the same items, by scikit-learn."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "area"

    def compute(self, item_indices: np.ndarray, pd_scores: np.ndarray, gt_pos: np.ndarray, gt_neg: np.ndarray, **rest: object) -> float:
        kept = np.isin(item_indices, gt_pos) | np.isin(item_indices, gt_neg)
        return float(roc_auc_score(np.isin(item_indices[kept], gt_pos), pd_scores[kept]))


draw = np.random.default_rng(0)
popularity = 1 / np.arange(1, ITEMS + 1)
popularity /= popularity.sum()
clicks = sorted({(f"u{user}", f"i{item}", 1.0) for user in range(USERS) for item in draw.choice(ITEMS, 12, p=popularity)})
split = RatioSplit(data=clicks, test_size=0.3, rating_threshold=0.5, seed=0, exclude_unknowns=False, verbose=False)
experiment = cornac.Experiment(eval_method=split, models=[MostPop(), GlobalAvg()], metrics=[AUC(), AreaUnderCurve()])
experiment.run()
popular, constant = (result.metric_avg_results for result in experiment.result)
print(f"cornac {cornac.__version__}\npopularity {popular['AUC']:.4f} {popular['area']:.4f}")
print(f"constant {constant['AUC']:.4f} {constant['area']:.4f}")
same = constant["AUC"] == 0.0 and constant["area"] == 0.5 and popular["AUC"] < popular["area"] - 0.02
raise SystemExit(0 if same else 1)
PYTHON
