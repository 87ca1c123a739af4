#!/usr/bin/env bash
# lightgbm 4.7.0, xgboost-cpu 3.2.0 (scikit-learn 1.9.1, Python 3.11): early stopping on NDCG keeps the weakest model, the first tree, where
# each list has its click first and then the items that were drawn as negatives.
#
# Both leave items with equal scores in the order of the rows. A model that scores all alike has NDCG 1 on such lists, and a tree of four
# leaves, four scores for twenty items, has .67 where .30 is the mean over the orders of its ties. Each further tree splits ties and takes
# away from the figure, so that no iteration is better than the first: it is best_iteration with a fine best_score, and the reported NDCG
# falls while the true one rises. The same lists with their rows shuffled stop later, at a model half as good again. map has the order of
# rows too; auc counts a tie as one half. The documentation of neither speaks of ties, nothing warns, and scikit-learn's ndcg_score() takes
# the mean. (The trackers have 2091 of LightGBM and 3050 of XGBoost on the order of rows, both closed.)
#
# Seen on 2026-11-30, 1,000 lists of 20 items for training and 1,000 for validation, features in steps of .5, 300 trees at most, stopped
# after 20 without a gain in NDCG@5 of the validation lists:
#                         best iteration   best_score   scikit-learn's, of it   of all 300 trees
#   LightGBM, click first              1        .6691                   .3006              .4493
#             click last              66        .4435                   .4441              .4477
#             shuffled                 7        .4404                   .4388              .4506
#   XGBoost,  click first              1        .6691                   .3006              .4482
#             click last              86        .4335                   .4345              .4456
#             shuffled                10        .4273                   .4282              .4456
#   XGBoost with eta=0, all alike      1       1.0000                   .1474              .1474
#
# Exits 0 while this is so, 1 when it has changed. Way out: shuffle the rows of each list before they become a Dataset or DMatrix.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 lightgbm==4.7.0 xgboost-cpu==3.2.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import lightgbm as lgb
import numpy as np
import xgboost as xgb
from sklearn.metrics import ndcg_score

lists, items, trees = 1000, 20, 300
random = np.random.default_rng(0)
order = {
    "first": np.tile(np.arange(items), (lists, 1)),
    "last": np.tile(np.arange(items)[::-1], (lists, 1)),
    "shuffled": random.permuted(np.tile(np.arange(items), (lists, 1)), axis=1),
}


def drawn() -> np.ndarray:
    features = random.normal(size=(lists, items, 5))
    features[:, 0] += [0.8, 0.6, 0.4, 0.3, 0.2]
    return np.round(features * 2) / 2


def table(features: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
    return np.take_along_axis(features, order[where][..., None], axis=1).reshape(-1, 5), (order[where] == 0).astype(int)


def by_lightgbm(where: str) -> list[float]:
    (x, y), (v, clicked) = table(train, where), table(valid, where)
    known = lgb.Dataset(x, label=y.ravel(), group=[items] * lists)
    held_out = lgb.Dataset(v, label=clicked.ravel(), group=[items] * lists, reference=known)
    setting = {"objective": "lambdarank", "metric": "ndcg", "eval_at": [5], "learning_rate": 0.05, "num_leaves": 4}
    setting |= {"num_threads": 1, "verbosity": -1}
    kept = lgb.train(setting, known, trees, valid_sets=[held_out], callbacks=[lgb.early_stopping(20, verbose=False)])
    all_trees = lgb.train(setting, known, trees)
    true = [ndcg_score(clicked, m.predict(v).reshape(clicked.shape), k=5) for m in (kept, all_trees)]
    return [kept.best_iteration, round(kept.best_score["valid_0"]["ndcg@5"], 4), *(round(float(t), 4) for t in true)]


def by_xgboost(where: str, eta: float = 0.05) -> list[float]:
    (x, y), (v, clicked) = table(train, where), table(valid, where)
    query = np.repeat(np.arange(lists), items)
    known, held_out = xgb.DMatrix(x, label=y.ravel(), qid=query), xgb.DMatrix(v, label=clicked.ravel(), qid=query)
    setting = {"objective": "rank:ndcg", "eval_metric": "ndcg@5", "eta": eta, "max_depth": 2, "nthread": 1, "seed": 0}
    kept = xgb.train(setting, known, trees, evals=[(held_out, "valid")], early_stopping_rounds=20, verbose_eval=False)
    all_trees = xgb.train(setting, known, trees)
    ranges = (kept, (0, kept.best_iteration + 1)), (all_trees, (0, 0))
    true = [ndcg_score(clicked, m.predict(held_out, iteration_range=r).reshape(clicked.shape), k=5) for m, r in ranges]
    return [kept.best_iteration + 1, round(kept.best_score, 4), *(round(float(t), 4) for t in true)]


train, valid = drawn(), drawn()
print(f"lightgbm {lgb.__version__}, xgboost {xgb.__version__}: best iteration, best_score, scikit-learn's of it and of {trees} trees")
rows = {f"{name}, {where}": by(where) for name, by in (("lightgbm", by_lightgbm), ("xgboost", by_xgboost)) for where in order}
for name, row in rows.items():
    print(f"{name:20}", *row)
alike = by_xgboost("first", eta=0.0)
print("xgboost, all scores alike, first:", *alike)
wrong = right = alike[1] == 1.0 and alike[2] < 0.2
for name in ("lightgbm", "xgboost"):
    first, shuffled = rows[f"{name}, first"], rows[f"{name}, shuffled"]
    wrong &= first[0] == 1 and first[1] > first[2] + 0.3 and first[2] < min(first[3], shuffled[2]) - 0.1
    right &= shuffled[0] > 3 and abs(shuffled[1] - shuffled[2]) < 0.01
raise SystemExit(0 if wrong and right else 1)
PYTHON
