#!/usr/bin/env bash
# category_encoders 2.11.2 (pandas 3.1.1, scikit-learn 1.9.1, Python 3.11): HashingEncoder codes user 7 with item 3 as user 3 with item 7.
#
# It hashes a cell's text alone, without the name of its column, and counts all columns of a row in one set of n_components buckets, which
# the documentation gives as the number "per encoded column". So values that look alike in two fields, as numbered ids do, are one feature,
# however many buckets there are: this is no collision of hashes. A model cannot tell who of the two was the user. scikit-learn's
# FeatureHasher puts the column's name in front of a text, and its rows differ.
#
# Seen on 2026-11-29, 2^10 buckets, the rows (user 7, item 3) and (user 3, item 7):
#   HashingEncoder   1024 columns for both fields, equal rows
#   FeatureHasher    different rows
#   AUC of a logistic regression where users 0–4 click and users 5–9 do not, whatever the item, user and item of 0–9:
#   HashingEncoder .875, FeatureHasher 1.000
#
# Exits 0 while this is so, 1 when it has changed. Way out: put the column's name in front of each value, or encode each column by itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet category_encoders==2.11.2 pandas==3.1.1 scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
cat > hashing.py <<'PYTHON'
import category_encoders
import numpy as np
import pandas as pd
from category_encoders import HashingEncoder
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

BUCKETS = 2**10


def encoded(table: pd.DataFrame) -> np.ndarray:
    return HashingEncoder(cols=["user", "item"], n_components=BUCKETS, max_process=1).fit_transform(table).to_numpy()


def hashed(table: pd.DataFrame) -> np.ndarray:
    return FeatureHasher(BUCKETS).transform(table.to_dict("records")).toarray()


two = pd.DataFrame({"user": ["7", "3"], "item": ["3", "7"]})
every = pd.DataFrame([(str(user), str(item)) for user in range(10) for item in range(10)], columns=["user", "item"])
labels = (every["user"].astype(int) < 5).to_numpy()
equal, aucs, columns = [], [], []
for code in (encoded, hashed):
    first, second = code(two)
    equal.append(bool((first == second).all()))
    columns.append(len(first))
    aucs.append(round(float(roc_auc_score(labels, LogisticRegression().fit(code(every), labels).decision_function(code(every)))), 3))
print(f"category_encoders {category_encoders.__version__}")
print(f"HashingEncoder: {columns[0]} columns, rows equal {equal[0]}, AUC {aucs[0]}\nFeatureHasher: rows equal {equal[1]}, AUC {aucs[1]}")
raise SystemExit(0 if columns[0] == BUCKETS and equal == [True, False] and aucs[0] < 0.9 < aucs[1] else 1)
PYTHON
"$folder/venv/bin/python" -W ignore hashing.py
