#!/usr/bin/env bash
# torch-rechub 0.9.0 (torch 2.13.0, CPU build, scikit-learn 1.9.1, pandas 3.1.1, Python 3.11): create_seq_features() puts each test row into
# the training part too: of clicks without any pattern a decision tree has a test AUC of 1.00, beside .49 on the validation part.
#
# It cuts each user's clicks, in order of time, into rows of a history and the item that came next, with a negative row each, and is
# documented to return "Train/val/test splits": the last item is for the test, the one before it for validation, the others for training.
# The question whether it is the last item is asked by itself, and "the others" are all but the one before it: so the last item's rows go
# to the test and to training. A model that can remember, as one with an embedding of each user and item can, is rewarded for that. The
# validation part is clean, so that early stopping and search show nothing, and the test looks the better the more a model has overfitted.
# Its tutorials on DIN split by it. generate_seq_feature() beside it asks in one chain and is right. Nothing warns. (A comment in the source
# has the function reserved for tests; its documentation does not.)
#
# Seen on 2026-11-30, 300 users with 12 clicks each on 1,000 items, all by chance, rows that are in the training part too, and AUC of
# scikit-learn's DecisionTreeClassifier of user and item:
#                              validation rows   test rows     AUC, validation   AUC, test
#   create_seq_features()              0 of 600  600 of 600               .49        1.00
#   generate_seq_feature()             0 of 600    0 of 600               .48         .46
#
# Exits 0 while this is so, 1 when it has changed. Way out: generate_seq_feature(), with max_len above the longest history: of a longer one
# it leaves the end out, and the user has rows in neither the validation nor the test part.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 torch-rechub==0.9.0 scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import contextlib
import io
import random
from importlib.metadata import version

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier
from torch_rechub.utils.data import create_seq_features, generate_seq_feature

USERS, CLICKS, ITEMS = 300, 12, 1_000
draw = np.random.default_rng(0)
item = np.concatenate([draw.choice(ITEMS, CLICKS, replace=False) for _ in range(USERS)])
clicks = pd.DataFrame({"user_id": np.repeat(np.arange(USERS), CLICKS), "item_id": item, "cate_id": item % 20})
clicks["time"] = draw.permutation(len(clicks))


def quietly(split, **options) -> list[pd.DataFrame]:
    random.seed(0)  # the negatives
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        return list(split(clicks.copy(), **options))  # it numbers the columns of what it is given anew


def seen(train: pd.DataFrame, other: pd.DataFrame, item: str, history: str) -> int:
    def keys(part: pd.DataFrame) -> list[tuple]:
        return list(zip(part["user_id"], part[item], part["label"], part[history].map(tuple)))

    known = set(keys(train))
    return sum(key in known for key in keys(other))


def figures(parts: list[pd.DataFrame], item: str, history: str) -> tuple[list[int], list[int], list[float]]:
    """Rows of validation and test, how many of them are in the training part, and the AUC of a tree that was grown on that part."""
    train, *others = parts
    tree = DecisionTreeClassifier(random_state=0).fit(train[["user_id", item]], train["label"])
    scores = [roc_auc_score(part["label"], tree.predict_proba(part[["user_id", item]])[:, 1]) for part in others]
    return [len(part) for part in others], [seen(train, part, item, history) for part in others], scores


print(f"torch-rechub {version('torch-rechub')}: rows of validation and test, how many are in train, AUC")
names = {"user_col": "user_id", "item_col": "item_id", "time_col": "time"}
created = figures(quietly(create_seq_features), "target_item", "history_item")
generated = figures(quietly(generate_seq_feature, **names), "target_item_id", "hist_item_id")
cut = [len(part) for part in quietly(generate_seq_feature, **names, max_len=CLICKS - 2)]
for name, found in {"create_seq_features": created, "generate_seq_feature": generated}.items():
    print(f"{name:21} {found[0]} {found[1]} {np.round(found[2], 3)}")
print(f"generate_seq_feature(max_len={CLICKS - 2}), rows of train, validation and test: {cut}")
same = created[:2] == ([2 * USERS] * 2, [0, 2 * USERS]) and created[2][1] == 1 and 0.4 < created[2][0] < 0.6
same &= generated[:2] == ([2 * USERS] * 2, [0, 0]) and all(0.4 < score < 0.6 for score in generated[2])
raise SystemExit(0 if same and cut[0] > 0 and cut[1:] == [0, 0] else 1)
PYTHON
