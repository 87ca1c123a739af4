#!/usr/bin/env bash
# scikit-learn 1.9.1 (numpy 2.4.6, polars 2.1.0, Python 3.11): ndcg_score() of scores without a sign puts the items of score 0 first.
#
# Clicks per item, as a baseline by popularity has them, are whole numbers that cannot be negative: UInt32 where Polars counted them. The
# function sorts by the negated scores, in the type that it got. There −1 is 4,294,967,295 and −0 is still 0, so that the items nobody has
# clicked lead the list and all others follow in the right order. The best of baselines becomes the worst, and any model beats it. There
# is no error and no warning. label_ranking_average_precision_score() negates too; roc_auc_score() and ndcg_score(ignore_ties=True) do not.
#
# Seen on 2026-11-29: 200 users with one held-out item each, 500 items, of which 132 without a click before, ranked by their clicks:
#   scores    NDCG@10   NDCG   with ignore_ties NDCG@10   average precision
#   UInt32      .0026  .1399                      .3095               .0062
#   int64       .3095  .4056                      .3095               .2791
#
# Exits 0 while this is so, 1 when it has changed. Way out: .astype(float) on the scores.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet scikit-learn==1.9.1 numpy==2.4.6 polars==2.1.0
cd "$folder"
"$folder/venv/bin/python" -W error::RuntimeWarning - <<'PYTHON'
import numpy as np
import polars as pl
import sklearn
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

USERS, ITEMS = 200, 500
draw = np.random.default_rng(0)
popularity = 1 / np.arange(1, ITEMS + 1)
popularity /= popularity.sum()
log = pl.DataFrame({"item": draw.choice(ITEMS, 2000, p=popularity)})
held_out = np.zeros((USERS, ITEMS), int)
held_out[np.arange(USERS), draw.choice(ITEMS, USERS, p=popularity)] = 1
counted = log.group_by("item").len()
clicks = pl.DataFrame({"item": range(ITEMS)}).join(counted, on="item", how="left").sort("item")["len"].fill_null(0)


def metrics(scores: np.ndarray) -> list[float]:
    each = np.tile(scores, (USERS, 1))
    values = ndcg_score(held_out, each, k=10), ndcg_score(held_out, each), ndcg_score(held_out, each, k=10, ignore_ties=True)
    return [round(float(v), 4) for v in (*values, label_ranking_average_precision_score(held_out, each))]


unsigned, signed = metrics(clicks.to_numpy()), metrics(clicks.to_numpy().astype(np.int64))
print(f"scikit-learn {sklearn.__version__}, scores of {clicks.dtype}, {int((clicks == 0).sum())} items without a click")
print(f"{clicks.dtype} {unsigned}\nint64  {signed}")
wrong = unsigned[0] < 0.01 and unsigned[1] < 0.2 and unsigned[3] < 0.02
right = signed[0] > 0.3 and signed[1] > 0.4 and signed[2] > 0.3 and signed[3] > 0.2
raise SystemExit(0 if wrong and right and unsigned[2] == signed[2] else 1)
PYTHON
