#!/usr/bin/env bash
# recommenders 1.2.1 of Microsoft (pandas 2.3.3, numpy 2.4.6, Python 3.11): with one held-out item a user the R-precision of each model is
# 1.0000, also of random scores; with five the model that is right for one user in a hundred beats one that finds something for all.
#
# r_precision_at_k() divides the hits among the first R items by R, user by user, and takes the mean. A user who has no hit there has no row
# among the hits, becomes NaN in the division, and pandas leaves NaN out of a mean. So only users with a hit count, each with 1/R at least:
# the value says how much was found where anything was, and nothing of how often. precision_at_k(), recall_at_k() and map() of the library
# divide by all users. The docstring says that the value is the recall at the R-th position, and that of precision_at_k() where each user
# has more than k items; it is neither. If no user at all has a hit there it is NaN or 0. Nothing warns.
#
# Seen on 2026-11-30, 1,000 users, 500 items, k=20; recall_at_k() and precision_at_k() with k=R have the value by definition:
#                                                      r_precision_at_k   by definition
#   one held-out item a user      random scores                  1.0000           .0010
#                                 a model                        1.0000           .1870
#   five held-out items a user    random scores                   .2044           .0092
#                                 a model                         .3565           .3098
#                                 one of five for each user       .2000           .2000
#                                 all for one user in 100        1.0000           .0100
#
# Exits 0 while this is so, 1 when it has changed. Way out: recall_at_k(k=R) for users with equal R, one call a group. (The package is
# installed without its dependencies, a notebook server among them; its metrics import nothing but pandas and scikit-learn.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pandas==2.3.3 numpy==2.4.6 scikit-learn==1.9.1 scipy==1.17.1
"$folder/venv/bin/python" -m pip install --quiet --no-deps recommenders==1.2.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import pandas as pd
from recommenders.evaluation.python_evaluation import precision_at_k, r_precision_at_k, recall_at_k

USERS, ITEMS, K = 1_000, 500, 20
draw = np.random.default_rng(0)


def frame(users: np.ndarray, items: np.ndarray, name: str, values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"userID": users.ravel(), "itemID": items.ravel(), name: values.ravel().astype(float)})


def measured(scores: np.ndarray, held_out: np.ndarray) -> tuple[float, ...]:
    """The library's value, that by definition, and the library's recall and precision at R, where R is the same for all users."""
    count = held_out.shape[1]
    users = np.arange(USERS)[:, None]
    true = frame(np.broadcast_to(users, held_out.shape), held_out, "rating", np.ones(held_out.shape))
    listed = np.argsort(-scores, axis=1)[:, :K]
    predicted = frame(np.broadcast_to(users, listed.shape), listed, "prediction", np.take_along_axis(scores, listed, axis=1))
    definition = np.mean([np.isin(listed[user, :count], held_out[user]).mean() for user in range(USERS)])
    others = (metric(true, predicted, k=count) for metric in (recall_at_k, precision_at_k))
    return float(r_precision_at_k(true, predicted, k=K)), float(definition), *(float(value) for value in others)


print(f"recommenders {version('recommenders')}: r_precision_at_k, by definition, recall and precision at R")
found, same = {}, True
for count in (1, 5):
    held_out = np.argsort(draw.uniform(size=(USERS, ITEMS)), axis=1)[:, :count]
    is_true = np.zeros((USERS, ITEMS))
    np.put_along_axis(is_true, held_out, 1, axis=1)
    first, few = np.zeros((USERS, ITEMS)), np.zeros((USERS, ITEMS))
    np.put_along_axis(first, held_out[:, :1], 1, axis=1)
    few[::100] = is_true[::100]
    noise = draw.normal(size=(USERS, ITEMS))
    models = {"random scores": noise, "a model": noise + 2 * is_true}
    if count > 1:
        models["one of five for each user"] = noise + 100 * (2 * first - is_true)
        models["all for one user in 100"] = noise + 100 * (2 * few - is_true)
    for name, scores in models.items():
        found[count, name] = values = measured(scores, held_out)
        print(f"{count} held out, {name:26}", *(f"{value:.4f}" for value in values))
        same &= np.allclose(values[1], values[2:]) and values[0] >= 1 / count - 1e-9
one, whole = found[5, "one of five for each user"], found[5, "all for one user in 100"]
same &= found[1, "random scores"][0] == found[1, "a model"][0] == 1.0 and found[1, "random scores"][1] < 0.01 < 0.1 < found[1, "a model"][1]
same &= abs(one[0] - one[1]) < 1e-9 and whole[0] > 0.99 and whole[1] < 0.02 < one[1]
raise SystemExit(0 if same else 1)
PYTHON
