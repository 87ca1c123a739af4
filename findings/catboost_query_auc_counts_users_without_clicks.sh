#!/usr/bin/env bash
# catboost 1.2.10 (scikit-learn 1.9.1, Python 3.11): the QueryAUC of a perfect ranking is the share of users who have a click.
#
# The documentation gives QueryAUC as a ratio: pairs of a positive and a negative in right order, summed over all groups, over the number of
# such pairs. A group of one class has no pair and would not count. CatBoost takes the AUC of each group instead and their mean over all
# groups, and a group of one class is in it with 0, worse than any ranking. Where a third of the users clicked, chance is .16, a fair model
# has .24 and a perfect one .32; a group with clicks alone does the same. Figures of two days, or of data with and without such users,
# compare the users, and no figure stands beside the GAUC of a paper, which leaves these groups out. NDCG and RecallAt of the same data
# count the same groups as 1, MAP and MRR as 0. Nothing warns. (1593 of its tracker, which asked for the metric, has the documented sum.)
#
# Seen on 2026-11-30, 1,000 users with 20 rows each:
#                                         2 % clicks                   20 % clicks
#                                  random   model   perfect     random   model   perfect
#   QueryAUC                         .156    .244      .324       .497    .746      .987
#   as documented, over all pairs    .473    .751     1.000       .502    .755     1.000
#   mean of users with both          .482    .754     1.000       .504    .756     1.000
#   share of users with both                 .324                         .987
#
# Exits 0 while this is so, 1 when it has changed. Way out: divide by the share of groups with both classes, or leave the others out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet catboost==1.2.10 scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import catboost
import numpy as np
from catboost.utils import eval_metric
from sklearn.metrics import roc_auc_score

USERS, ROWS = 1_000, 20
users = np.repeat(np.arange(USERS), ROWS)


def aucs(clicks: np.ndarray, scores: np.ndarray) -> list[float]:
    """QueryAUC, the ratio of sums over all pairs, the mean over users with both classes, the share of these."""
    single, pairs = [], []
    for labels, values in zip(clicks.reshape(USERS, ROWS), scores.reshape(USERS, ROWS), strict=True):
        if 0 < labels.sum() < ROWS:
            single.append(roc_auc_score(labels, values))
            pairs.append(labels.sum() * (ROWS - labels.sum()))
    own = [eval_metric(clicks, scores, f"QueryAUC:type={kind}", group_id=users)[0] for kind in ("Ranking", "Classic")]
    assert abs(own[0] - own[1]) < 1e-9
    return [own[0], float(np.average(single, weights=pairs)), float(np.mean(single)), len(single) / USERS]


print(f"catboost {catboost.__version__}: QueryAUC, as documented, mean of users with both classes, share of these users")
draw = np.random.default_rng(0)
as_seen = True
for rate in (0.02, 0.2):
    clicks = (draw.random(USERS * ROWS) < rate).astype(float)
    models = {"random": draw.normal(size=clicks.size), "model": draw.normal(size=clicks.size) + clicks, "perfect": clicks}
    for name, scores in models.items():
        own, documented, mean, share = found = aucs(clicks, scores)
        print(f"{rate} {name} {[round(value, 4) for value in found]}")
        as_seen &= abs(own - mean * share) < 1e-6 and documented - own > 0.004 and (name != "perfect" or documented == mean == 1)
    others = {metric: eval_metric(clicks, clicks, metric, group_id=users)[0] for metric in ("NDCG", "RecallAt:top=20", "MAP", "MRR")}
    print(f"{rate} perfect, others {others}")
    as_seen &= others["NDCG"] == others["RecallAt:top=20"] == 1 and abs(others["MAP"] - share) < 1e-6 and abs(others["MRR"] - share) < 1e-6
raise SystemExit(0 if as_seen else 1)
PYTHON
