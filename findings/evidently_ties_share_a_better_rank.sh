#!/usr/bin/env bash
# evidently 0.7.23 (pandas 2.3.3, numpy 2.4.6, scikit-learn 1.9.1, Python 3.11): the precision@1 of a model is 1.34, and so is its NDCG@1,
# where each score is shared by two candidates; with the ties in random order they are .67, and of a model with exact scores .76.
#
# The metrics for ranking sort each user's candidates by score, and candidates of equal score get the mean of their ranks, cut to a whole
# number: two at the top have rank 1.5, which becomes 1, for both of them. So two candidates are in the top 1, and their clicks are divided
# by 1. Precision, recall, hit rate, MAP, MRR and NDCG all read these ranks. A model with ties, by rounding, popularity, stars or a small
# tree, is measured by longer lists than one without, and wins; for NDCG the docstring promises values from 0 to 1. Of ten candidates that
# tie all are in the top 5 and none in the top 4: a model that says the same of all 20 has recall 0 at 9 and 1.0, the best there is, at 10.
# Ties have no parameter, and nothing warns. (Figures are by their place in the tables: in those of NDCG and MRR the column "rank" begins
# with 2, and beside 10 stands the value at 9.)
#
# Seen on 2026-11-30, 400 users, 20 candidates and four clicks each, mean of ten random orders:
#                 exact scores   two share each   in random order   one score for all   in random order
#   precision@1           .755            1.343              .673                .000              .189
#   hit rate@1            .755             .907              .673                .000              .189
#   NDCG@1                .755            1.343              .673                .000              .189
#   MRR@10                .860             .938              .819                .100              .401
#   recall@9              .854             .885              .850                .000              .443
#   recall@10             .885             .885              .885               1.000              .490
#
# Exits 0 while this is so, 1 when it has changed. Way out: ranks of one's own without ties, with recommendations_type="rank".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet evidently==0.7.23 pandas==2.3.3 scikit-learn==1.9.1 scipy==1.17.1 statsmodels==0.15.0 \
    numpy==2.4.6
cd "$folder"
export OPENBLAS_NUM_THREADS=1 DO_NOT_TRACK=1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Recsys, Report
from evidently.metrics import MRR, NDCG, HitRate, PrecisionTopK, RecallTopK

USERS, CANDIDATES, CLICKS, ORDERS = 400, 20, 4, 10
draw = np.random.default_rng(0)
taste = draw.normal(size=(USERS, CANDIDATES))
heard = taste + draw.normal(size=taste.shape)  # what the model knows of it
clicks = (np.argsort(np.argsort(-taste, axis=1), axis=1) < CLICKS).astype(int)
firsts: list[list[int]] = []
users, items = (axis.ravel() for axis in np.indices(taste.shape))


def measure(prediction: np.ndarray, kind: str = "score") -> dict[str, float]:
    table = pd.DataFrame({"user": users, "item": items, "click": clicks.ravel(), "given": prediction.ravel()})
    columns = Recsys(user_id="user", item_id="item", target="click", prediction="given", recommendations_type=kind)
    data = Dataset.from_pandas(table, data_definition=DataDefinition(ranking=[columns]))
    run = Report([PrecisionTopK(k=10), HitRate(k=10), NDCG(k=10), MRR(k=10), RecallTopK(k=10)]).run(data, None)
    tables = [metric["value"] for metric in run.dict()["metrics"]]
    firsts.append([int(table["rank"][0]) for table in tables])
    precision, hits, ndcg, mrr, recall = (list(table["value"].values()) for table in tables)
    names = "precision@1", "hit rate@1", "NDCG@1", "MRR@10", "recall@9", "recall@10"
    return dict(zip(names, map(float, (precision[0], hits[0], ndcg[0], mrr[9], recall[8], recall[9])), strict=True))


def ranks(score: np.ndarray) -> np.ndarray:
    """Ranks from 1, the highest score first, ties in random order."""
    order = np.lexsort((draw.random(score.shape), -score), axis=1)
    return 1 + np.argsort(order, axis=1)


def mean(several: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in several])) for name in several[0]}


coarse, same = -((ranks(heard) - 1) // 2).astype(float), np.full(heard.shape, 0.5)
found = [measure(heard), measure(coarse), mean([measure(ranks(coarse), "rank") for _ in range(ORDERS)])]
found += [measure(same), mean([measure(ranks(same), "rank") for _ in range(ORDERS)])]
print(f"evidently {version('evidently')}: exact, two share, ties in random order, one score for all, in random order")
for name in found[0]:
    print(f"{name:12}", *(f"{one[name]:.3f}" for one in found))
print(f"column rank begins with: {firsts[0]} for precision, hit rate, NDCG, MRR, recall")
exact, tied, broken, constant, chance = found
top = int((coarse == 0).sum(axis=1).max()), float((clicks * (coarse == 0)).sum(axis=1).mean())
print(f"candidates with the highest score: {top[0]} a user, clicks among them {top[1]:.3f}")
plain = measure(ranks(heard), "rank") == exact and abs(broken["precision@1"] - top[1] / 2) < 0.03
counted = np.isclose(tied["precision@1"], top[1]) and np.isclose(tied["NDCG@1"], top[1]) and top[0] == 2
higher = tied["NDCG@1"] > 1 and tied["MRR@10"] > exact["MRR@10"] + 0.05 > broken["MRR@10"] + 0.05
flat = constant["recall@9"] == 0 and constant["recall@10"] == 1 and abs(chance["recall@10"] - 0.5) < 0.02
raise SystemExit(0 if plain and counted and higher and flat else 1)
PYTHON
