#!/usr/bin/env bash
# scikit-learn 1.9.1 (numpy 2.4.6, Python 3.11): TargetEncoder() codes a user who was seen once, and clicked, as 1.0: the shrinking that it
# is for leaves out just the values with too little data.
#
# Each value is documented to get "a shrunk estimate" of its mean target, with smooth="auto" "an empirical Bayes estimate". How far it is
# drawn to the overall mean goes by the variance of the target within the value. One row has no variance, nor have five rows without a
# click: these means are taken as exact, while a user with 50 rows and a mean between 0 and 1 is drawn in. Of the users below 86 of 100 are
# coded as exactly 0, and those whose only row was a click stand above all others, at eleven times their true rate. In training none of it
# shows: there a value is coded from other rows, so that one seen once gets the overall mean, and the model meets the 1.0 in transform()
# alone. The user guide has the formula, m as the variance within the value over that of all, and does not say what becomes of few rows.
#
# Seen on 2026-11-30, 20,000 rows of 4,400 users for training and as many rows for the test, 4.9 % clicks, true AUC .770:
#   smooth   a user's one row was a click   no click   users coded as 0   AUC of the code   log loss of a logistic regression on it
#   "auto"                          1.000       .000                .86             .6188                                     .2071
#   1                                .525       .025                .00             .6460                                     .2046
#   20                               .095       .047                .00             .6577                                     .2013
#   true rate of such users          .088
#
# Exits 0 while this is so, 1 when it has changed. Way out: a number for smooth, tuned on validation data.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

USERS, ROWS = 5_000, 20_000
draw = np.random.default_rng(0)
activity = np.arange(1, USERS + 1) ** -0.7
rates = draw.beta(1, 19, USERS)
users = draw.choice(USERS, size=2 * ROWS, p=activity / activity.sum())
clicks = (draw.random(2 * ROWS) < rates[users]).astype(int)
table, train, test = users.reshape(-1, 1), slice(ROWS), slice(ROWS, None)
seen, clicked = (np.bincount(users[train], weights=weights, minlength=USERS) for weights in (None, clicks[train]))


def coded(smooth: str | float) -> tuple[float, float, float, float, float]:
    encoder = TargetEncoder(smooth=smooth, cv=KFold(5, shuffle=True, random_state=0))
    first, second = encoder.fit_transform(table[train], clicks[train]), encoder.transform(table[test])
    model = LogisticRegression(C=1e4).fit(first, clicks[train])
    codes = np.full(USERS, np.nan)
    codes[encoder.categories_[0]] = encoder.encodings_[0]
    one, none = codes[(seen == 1) & (clicked == 1)], codes[(seen == 1) & (clicked == 0)]
    assert np.ptp(one) < 1e-9 and np.ptp(none) < 1e-9
    zeros = np.mean(codes[seen > 0] == 0)
    loss = log_loss(clicks[test], model.predict_proba(second)[:, 1])
    return one[0], none[0], zeros, roc_auc_score(clicks[test], second[:, 0]), loss


true = rates[(seen == 1) & (clicked == 1)].mean()
print(f"scikit-learn {sklearn.__version__}: {np.sum(seen > 0)} users, {clicks[train].mean():.3f} clicks,", end=" ")
print(f"true AUC {roc_auc_score(clicks[test], rates[users[test]]):.3f}, true rate of users whose one row was a click {true:.3f}")
found = {smooth: coded(smooth) for smooth in ("auto", 1.0, 20.0)}
for smooth, values in found.items():
    print(f"  {smooth}: {[round(float(value), 4) for value in values]}")
auto, one, twenty = found.values()
exact = auto[:2] == (1.0, 0.0) and auto[2] > 0.8 and one[2] == twenty[2] == 0
raise SystemExit(0 if exact and max(true, twenty[0]) < 0.1 and auto[3] + 0.02 < one[3] < twenty[3] and auto[4] > one[4] > twenty[4] else 1)
PYTHON
